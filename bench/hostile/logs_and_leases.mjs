// Readers that stop, executors without keep-alives, addresses of IPv6.

import fs from 'node:fs';
import { eventually, seconds, sleep } from './program.mjs';
import { RogueExecutor, executorAttached, inState, incident, submit } from './grpc.mjs';

// stderr is a pipe that is full, and that nobody reads.
async function stopReading(scene, kind) {
  const fifo = `${scene.directory}/${kind}.fifo`;
  scene.run('mkfifo', fifo);
  const stderr = fs.openSync(fifo, 'r+');
  const reader = fs.openSync(fifo, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
  const options = { stderr, wait: false };
  const program =
    kind === 'ingest'
      ? await scene.ingest(['--sse-reconnect-max-delay', '1'], options)
      : await scene.executor(1, 'true', [], options);
  let text = '';
  await eventually(() => {
    const part = Buffer.alloc(65536);
    try {
      text += part.subarray(0, fs.readSync(reader, part));
    } catch {}
    return text.includes('"Listening"') && text.endsWith('\n');
  });
  program.ports = JSON.parse(text.split('\n').find((line) => line.includes('"Listening"')));
  for (const size of [4096, 1]) {
    try {
      for (;;) fs.writeSync(reader, Buffer.alloc(size, '\n'));
    } catch {}
  }
  const began = performance.now();
  // A line of the main loop.
  if (kind === 'ingest') submit({ grpcPort: Number(program.ports.grpc.split(':').pop()) }, 'unread');
  await eventually(async () => (await program.health()) !== 200, 30_000);
  const health = `${await program.health()} after ${seconds(began)}`;
  const end = await program.terminate();
  fs.closeSync(stderr);
  fs.closeSync(reader);
  return `${kind}: /healthz ${health}, ${end}`;
}

export const log = async (scene) =>
  (await Promise.all(['ingest', 'executor'].map((kind) => stopReading(scene, kind)))).join('; ');

const ttl = ['--lease-ttl', '30s'];
const limit = 120_000;

async function untilQueued(ingest, id, began) {
  const detached = await eventually(async () => !(await executorAttached(ingest)) && seconds(began), limit);
  if (!detached) return `attached for ${limit / 1000} s and longer`;
  const queued = await eventually(async () => (await incident(ingest, id)).state === 'queued', limit);
  return `detached after ${detached}, ${queued ? `queued again after ${seconds(began)}` : 'never queued again'}`;
}

async function stopped(scene) {
  const ingest = await scene.ingest(ttl);
  const executor = await scene.executor(ingest, 'exec sleep 600');
  await scene.attached(executor);
  const id = await submit(ingest, 'stopped');
  await inState(ingest, id, 'running');
  executor.child.kill('SIGSTOP');
  const result = await untilQueued(ingest, id, performance.now());
  await executor.end();
  return `executor that is stopped: ${result}`;
}

async function neverReads(scene) {
  const ingest = await scene.ingest(ttl);
  const rogue = new RogueExecutor(ingest, { reads: false });
  await sleep(500);
  const began = performance.now();
  // More than the window of a stream: the write of the offer stays pending.
  const id = await submit(ingest, 'unread', 'x'.repeat(200_000));
  if (!(await inState(ingest, id, 'offered'))) return 'executor that never reads: no offer';
  const result = await untilQueued(ingest, id, began);
  rogue.end();
  return `executor that never reads: ${result}`;
}

export const leases = async (scene) => (await Promise.all([stopped(scene), neverReads(scene)])).join('; ');

export async function addresses(scene) {
  const results = [];
  const ingest = await scene.ingest();
  for (const address of ['::', '::1', '0.0.0.0']) {
    for (const kind of ['ingest', 'executor']) {
      const flags = ['--bind-address', address];
      const program =
        kind === 'ingest'
          ? await scene.ingest(flags, { wait: false })
          : await scene.executor(ingest, 'true', flags, { wait: false });
      if (!(await program.listening(5000))) {
        results.push(`${address} ${kind}: ${await program.terminate()}`);
        continue;
      }
      const answers = [];
      for (const host of ['::1', '127.0.0.1'])
        answers.push((await program.get('/healthz', { host, timeout: 2000 })).status || 'none');
      results.push(`${address} ${kind}: [::1] ${answers[0]}, 127.0.0.1 ${answers[1]}`);
      await program.end();
    }
  }
  const executor = await scene.executor(ingest, 'true');
  await scene.attached(executor);
  await sleep(30_000); // threads of a pool end after some seconds without work
  return `${results.join('; ')}; idle threads: ingest ${ingest.threadsNow()}, executor ${executor.threadsNow()}`;
}
