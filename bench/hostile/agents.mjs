// Agents that mean harm, and what they or others leave in the executor's files.

import fs from 'node:fs';
import path from 'node:path';
import { MB, eventually, seconds, sleep, user } from './program.mjs';
import { inState, submit } from './grpc.mjs';

// An agent whose shim's parent, the executor, gets SIGTERM without end.
const signalling = `parent=$(sed -n 's/^PPid:[^0-9]*//p' /proc/$PPID/status)
while :; do kill -TERM $parent 2>/dev/null; done`;

export async function signals(scene) {
  const ingest = await scene.ingest();
  const executor = await scene.executor(ingest, signalling, [
    '--shutdown-timeout',
    '1',
    '--agent-kill-grace',
    '1',
  ]);
  await scene.attached(executor);
  const id = await submit(ingest, 'signals');
  await inState(ingest, id, 'running');
  const before = executor.lines('Signal from an agent').length;
  await sleep(5000);
  const warnings = executor.lines('Signal from an agent').length - before;
  const began = performance.now();
  executor.child.kill('SIGTERM');
  const obeyed = await eventually(() => executor.lines('Shutting down gracefully').length > 0, 20_000);
  const end = obeyed ? `obeyed after ${seconds(began)}, ${await executor.terminate()}` : 'ignored for 20 s';
  return `${warnings / 5} warnings a second; SIGTERM of an operator ${end}`;
}

const kinds = ['pipe', '/dev/zero'];
function place(scene, kind, file) {
  if (kind === 'pipe') scene.run('mkfifo', `${file}.new`);
  else fs.symlinkSync(kind, `${file}.new`);
  fs.renameSync(`${file}.new`, file);
}

export async function config(scene) {
  const results = [];
  for (const kind of kinds) {
    const file = `${scene.directory}/start.yaml`;
    place(scene, kind, file);
    const began = performance.now();
    const program = await scene.start('ingest', ['--config', file], { wait: false });
    const code = await Promise.race([program.exited, sleep(10_000).then(() => 'still reading')]);
    results.push(
      `start with ${kind}: ${code} after ${seconds(began)}, peak ${program.peak ?? 'under 10'} MB`,
    );
    await program.end();
  }
  for (const kind of kinds) {
    const ingest = await scene.ingest();
    place(scene, kind, `${scene.directory}/ingest.yaml`);
    ingest.child.kill('SIGHUP');
    await sleep(15_000);
    const state = ingest.running
      ? `/healthz ${await ingest.health()}, ${await ingest.terminate()}`
      : `exit ${await ingest.exited}`;
    results.push(`reload of ${kind}: peak ${ingest.peak} MB, ${state}`);
    await ingest.end();
    fs.unlinkSync(`${scene.directory}/ingest.yaml`);
  }
  return results.join('; ');
}

// How an executor starts, whether it attaches, and how many lines that takes.
async function begin(scene, ingest) {
  const executor = await scene.executor(ingest, 'true', [], { wait: false });
  const listens = await executor.listening();
  if (listens) await scene.attached(executor);
  const state = listens ? 'attaches' : `exit ${await executor.exited}`;
  await executor.terminate();
  await executor.end();
  return { state, lines: executor.lines().length };
}

// The same, with what `fill` has put into the workspace root.
async function beginIn(scene, ingest, fill) {
  fs.rmSync(scene.root, { recursive: true, force: true });
  fs.mkdirSync(scene.root);
  fill();
  scene.run('chown', '-R', `${user}:${user}`, scene.root);
  return begin(scene, ingest);
}

export async function spool(scene) {
  const ingest = await scene.ingest();
  const spool = `${scene.root}/.spool`;
  const file = await beginIn(scene, ingest, () => fs.writeFileSync(spool, 'x'));
  const mode = await beginIn(scene, ingest, () => fs.chmodSync(scene.root, 0));
  const broken = () => {
    fs.mkdirSync(spool);
    for (let i = 0; i < 10_000; ++i) {
      fs.writeFileSync(`${spool}/018f2d3c-7a10-7c4e-9b1e-${String(i).padStart(12, '0')}.1.json`, 'garbage');
    }
  };
  const first = await beginIn(scene, ingest, broken);
  const second = await begin(scene, ingest);
  return (
    `spool that is a file: ${file.state}; root of mode 000: ${mode.state}; 10,000 broken records: ` +
    `${first.lines} lines at the first start, ${second.lines} at the next`
  );
}

// Bytes of all files beneath, each counted once.
function size(directory, seen = new Set()) {
  let bytes = 0;
  for (const entry of fs.readdirSync(directory)) {
    const file = path.join(directory, entry);
    const status = fs.lstatSync(file);
    if (seen.has(status.ino)) continue;
    seen.add(status.ino);
    bytes += status.isDirectory() ? size(file, seen) : status.blocks * 512;
  }
  return bytes;
}

async function limited(scene, limit, script) {
  const ingest = await scene.ingest(['--circuit-breaker-threshold', '0']);
  const executor = await scene.executor(ingest, script, ['--agent-workspace-limit', limit]);
  await scene.attached(executor);
  const id = await submit(ingest, 'limited');
  const { status, reason } = (await inState(ingest, id, 'finished', 60_000)) ?? { status: 'unfinished' };
  const workspace = path.join(scene.root, id);
  const counted = fs.readFileSync(`${workspace}/agent.stdout.log`, 'utf8').split('\n').length - 1;
  const bytes = counted > 0 ? counted * 4 * MB : size(workspace);
  await executor.end();
  await ingest.end();
  return `${[status, reason].filter(Boolean).join(', ')} at ${Math.round(bytes / MB)} MiB`;
}

// 4 MiB every 0.2 s, 200 MiB in all; a line for each.
const write = (where) => `i=0
while [ $i -lt 50 ]; do i=$((i+1)); head -c 4194304 /dev/zero ${where}; echo $i; sleep 0.2; done`;

export async function workspace(scene) {
  const hidden = await limited(scene, '20MiB', `mkdir hidden; chmod 0300 hidden; ${write('>hidden/$i')}`);
  const unlinked = await limited(scene, '20MiB', `exec 3>file; rm file; ${write('>&3')}`);
  const links = await limited(
    scene,
    '100MiB',
    'head -c 11534336 /dev/zero >f; for i in 1 2 3 4 5 6 7 8 9; do ln f f$i; done; sleep 4',
  );
  return (
    `files beneath a directory of mode 0300, limit 20 MiB: ${hidden}; unlinked open file, 20 MiB: ${unlinked}; ` +
    `10 links to 11 MiB, 100 MiB: ${links}`
  );
}

export async function retention(scene) {
  const ingest = await scene.ingest();
  const executor = await scene.executor(ingest, 'mkdir ../stranger; touch ../file; mv "$PWD" "$PWD.moved"', [
    '--workspace-max-age',
    '1s',
  ]);
  await scene.attached(executor);
  const id = await submit(ingest, 'moved');
  await inState(ingest, id, 'finished');
  const left = () =>
    fs
      .readdirSync(scene.root)
      .filter((name) => name !== '.spool')
      .map((name) => name.replace(id, '<uuid>'));
  const began = performance.now();
  const gone = await eventually(() => left().length === 0, 200_000);
  return gone ? `all removed after ${seconds(began)}` : `left after 200 s: ${left().join(', ')}`;
}
