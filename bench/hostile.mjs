// Meets runner-ingest with servers that mean harm, and prints what that costs it: the most memory
// that it held, the slowest answer of /healthz, and the time from SIGTERM to its end.
//
//   node bench/hostile.mjs build/release/bin/runner-ingest [ids|numbers|texts|drip|scrape] ...
//
//   ids      one server answers with `id: <1 MB>` and 1,000,000 blank lines, again and again
//   numbers  twelve servers answer with 16 MB of JSON, an array of numbers
//   texts    twelve servers answer with 16 MB of JSON, one long string
//   drip     twelve servers answer with 15 MB of JSON and keep the rest to themselves
//   scrape   20,000 clusters whose servers refuse; /metrics is read five times
//
// Where /sys/fs/cgroup/memory can be written, ingest runs under a limit of 512 MiB, that of the base
// manifest; a process that exceeds it is killed, and the line says so. Each scenario ends after
// RUNNER_HOSTILE_SECONDS (30).

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';

const [program, ...wanted] = process.argv.slice(2);
const seconds = Number(process.env.RUNNER_HOSTILE_SECONDS ?? 30);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const MB = 1 << 20;

// Answers every POST by `answer(id, response)`.
function serve(answer) {
  const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (part) => (body += part));
    request.on('end', () => {
      response.on('error', () => {});
      if (request.method !== 'POST') return response.writeHead(405).end();
      let id = 0;
      try {
        id = JSON.parse(body).id ?? 0;
      } catch {}
      answer(id, response);
    });
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

const json = (filler) => (id, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(`{"jsonrpc":"2.0","id":${id},"result":{"protocolVersion":"2025-06-18","x":${filler}}}`);
};
const numbers = '[' + '0,'.repeat(8 * MB - 200) + '0]';
const text = '"' + 'x'.repeat(16 * MB - 400) + '"';

const scenarios = {
  ids: {
    servers: 1,
    answer: (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const part = 'id: ' + 'x'.repeat(MB - 100) + '\n' + '\n'.repeat(1_000_000);
      const send = () => response.writable && !response.destroyed && response.write(part, send);
      send();
    },
  },
  numbers: { servers: 12, answer: json(numbers) },
  texts: { servers: 12, answer: json(text) },
  drip: {
    servers: 12,
    answer: (id, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write(`{"jsonrpc":"2.0","id":${id},"result":{"x":"` + 'x'.repeat(15 * MB));
    },
  },
  scrape: { clusters: 20_000 },
};

function get(port, target) {
  const began = performance.now();
  return new Promise((resolve) => {
    const request = http.get({ host: '127.0.0.1', port, path: target, timeout: 20_000 }, (response) => {
      let bytes = 0;
      response.on('data', (part) => (bytes += part.length));
      response.on('end', () =>
        resolve({ status: response.statusCode, ms: performance.now() - began, bytes }));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve({ status: 0, ms: performance.now() - began, bytes: 0 }));
  });
}

function memory(pid, key) {
  try {
    const line = fs.readFileSync(`/proc/${pid}/status`, 'utf8').match(new RegExp(`${key}:\\s+(\\d+)`));
    return Math.round(Number(line[1]) / 1024);
  } catch {
    return NaN;
  }
}

// A cgroup of this size, or nothing where there may be none.
function limited(name) {
  const group = `/sys/fs/cgroup/memory/${name}-${process.pid}`;
  try {
    fs.mkdirSync(group);
    fs.writeFileSync(`${group}/memory.limit_in_bytes`, '512M');
    return group;
  } catch {
    return undefined;
  }
}

async function run(name) {
  const scenario = scenarios[name];
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'hostile-'));
  const servers = [];
  let clusters = '';
  for (let i = 0; i < (scenario.servers ?? 0); ++i) {
    servers.push(await serve(scenario.answer));
    clusters += `  - {name: c${i}, endpoint: "http://127.0.0.1:${servers[i].address().port}/mcp"}\n`;
  }
  for (let i = 0; i < (scenario.clusters ?? 0); ++i) {
    clusters += `  - {name: c${i}, endpoint: "http://127.0.0.1:9/mcp"}\n`;
  }
  fs.writeFileSync(`${directory}/ingest.yaml`, `clusters:\n${clusters}`);
  const log = fs.openSync(`${directory}/log`, 'w');
  const group = limited('hostile');
  const child = spawn(program, ['--config', `${directory}/ingest.yaml`, '--metrics-port', '0',
    '--health-port', '0', '--grpc-listen', '127.0.0.1:0', '--log-format', 'json', '--log-level',
    'info', '--sse-reconnect-max-delay', '1', '--bind-address', '127.0.0.1'],
    { stdio: ['ignore', 'ignore', log], cwd: directory });
  if (group) fs.writeFileSync(`${group}/cgroup.procs`, String(child.pid));
  const exited = new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)));
  let ports;
  while (!ports && child.exitCode === null) {
    await sleep(50);
    const line = fs.readFileSync(`${directory}/log`, 'utf8').split('\n').find((l) => l.includes('"Listening"'));
    if (line) ports = JSON.parse(line);
  }
  let slowest = 0;
  let missed = 0;
  const rss = [];
  const end = Date.now() + seconds * 1000;
  if (name === 'scrape') {
    await sleep(3000);
    rss.push(memory(child.pid, 'VmRSS'));
    for (let i = 0; i < 5; ++i) {
      const answer = await get(ports.metrics_port, '/metrics');
      if (answer.status !== 200) ++missed;
      slowest = Math.max(slowest, answer.ms);
      await sleep(1000);
      rss.push(memory(child.pid, 'VmRSS'));
    }
  } else {
    while (Date.now() < end && child.exitCode === null && child.signalCode === null) {
      const answer = await get(ports.health_port, '/healthz');
      if (answer.status !== 200) ++missed;
      slowest = Math.max(slowest, answer.ms);
      await sleep(200);
    }
    rss.push(memory(child.pid, 'VmRSS'));
  }
  const peak = memory(child.pid, 'VmHWM');
  const began = Date.now();
  child.kill('SIGTERM');
  const code = await Promise.race([exited, sleep(60_000).then(() => 'still running after 60 s')]);
  console.log(`${name}: peak ${peak} MB, resident ${rss.join(', ')} MB, ` +
    `${name === 'scrape' ? '/metrics' : '/healthz'} at most ${Math.round(slowest)} ms, ` +
    `${missed} not 200, SIGTERM to end ${((Date.now() - began) / 1000).toFixed(1)} s, exit ${code}` +
    (group ? '' : ' (no cgroup)'));
  child.kill('SIGKILL');
  await exited;
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  fs.rmSync(directory, { recursive: true });
  if (group) fs.rmdirSync(group);
}

for (const name of wanted.length ? wanted : Object.keys(scenarios)) await run(name);
process.exit(0);
