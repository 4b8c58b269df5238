// Connections that say nothing, and floods.

import net from 'node:net';
import { asUser, eventually, next, seconds, sleep } from './program.mjs';
import { call, inState, submit } from './grpc.mjs';

// How many of nine probes, one a second, have no answer within 1 s.
async function missed(program, port, target) {
  let missed = 0;
  for (let i = 0; i < 9; ++i) {
    const began = performance.now();
    if ((await program.get(target, { port, timeout: 1000 })).status !== 200) ++missed;
    await sleep(1000 - (performance.now() - began));
  }
  return missed;
}

// First beside 25 connections a second, then beside 40 that are opened again when they are closed.
export async function silent(scene) {
  const ingest = await scene.ingest();
  const executor = await scene.executor(ingest, 'true');
  const targets = [
    [ingest, 'health_port', '/healthz'],
    [ingest, 'metrics_port', '/metrics'],
    [executor, 'health_port', '/healthz'],
  ];
  const results = await Promise.all(
    targets.map(async ([program, key, target]) => {
      const port = program.ports[key];
      const opened = [];
      const timer = setInterval(() => opened.push(...scene.connect(port, 1)), 40);
      await sleep(5000);
      const rate = await missed(program, port, target);
      clearInterval(timer);
      for (const socket of opened) socket.destroy();
      await eventually(
        async () => (await program.get(target, { port, timeout: 1000 })).status === 200,
        60_000,
      );
      let held = true;
      const hold = () => {
        if (held) scene.connect(port, 1)[0].on('close', hold);
      };
      for (let i = 0; i < 40; ++i) hold();
      await sleep(500);
      const idle = await missed(program, port, target);
      held = false;
      return `${program.kind} ${target}: ${rate} of 9 missed at 25/s, ${idle} of 9 beside 40 idle`;
    }),
  );
  return results.join('; ');
}

const works = async (ingest) =>
  (await call(ingest.grpcPort, 'IngestAdmin/GetStatus', [], 5000)).status === 0 ? 'answers' : 'no answer';

async function silentGrpc(scene) {
  const ingest = await scene.ingest([], { openFiles: 256 });
  const opened = scene.connect(ingest.grpcPort, 300);
  await sleep(5000);
  const during = await works(ingest);
  for (const socket of opened) socket.destroy();
  await sleep(2000);
  const after = await works(ingest);
  return `300 silent connections and 256 descriptors: gRPC ${during}, afterwards ${after}, /healthz ${await ingest.health()}`;
}

// The soft limit of a program that runs.
const limitOpenFiles = (scene, program, limit) =>
  scene.run(...asUser, 'prlimit', '--pid', String(program.pid), `--nofile=${limit}:`);

async function shortage(scene) {
  const ingest = await scene.ingest();
  await sleep(1000);
  limitOpenFiles(scene, ingest, 3);
  const opened = scene.connect(ingest.grpcPort, 3);
  await sleep(3000);
  for (const socket of opened) socket.destroy();
  limitOpenFiles(scene, ingest, 1024);
  await sleep(2000);
  return `3 s without descriptors: gRPC ${await works(ingest)} afterwards, /healthz ${await ingest.health()}`;
}

export const descriptors = async (scene) => `${await silentGrpc(scene)}; ${await shortage(scene)}`;

export async function crowd(scene) {
  const ingest = await scene.ingest(['--circuit-breaker-threshold', '0']);
  const executor = await scene.executor(ingest, 'exec sleep 1', [], { openFiles: 1024 });
  await scene.attached(executor);
  scene.connect(executor.grpcPort, 1009);
  await sleep(3000);
  const id = await submit(ingest, 'crowd');
  const result = (await inState(ingest, id, 'finished', 20_000)) ?? {
    status: 'unfinished',
    reason: 'after 20 s',
  };
  await sleep(3000);
  const health = executor.running
    ? `runs, /healthz ${await executor.health()}`
    : `exit ${await executor.exited}`;
  return `run: ${[result.status, result.reason].filter(Boolean).join(', ')}; executor: ${health}`;
}

// Frames of HTTP/2 (RFC 9113): calls that are reset at once.
function resets(first, count, method) {
  const frame = (type, flags, stream, payload) => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head[3] = type;
    head[4] = flags;
    head.writeUInt32BE(stream, 5);
    return Buffer.concat([head, payload]);
  };
  const text = (value) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  // :method POST and :scheme http by their index, then :path, :authority and others without indexing (RFC 7541)
  const headers = Buffer.concat([
    Buffer.from([0x83, 0x86, 4]),
    text(method),
    Buffer.from([1]),
    text('x'),
    Buffer.from([0]),
    text('content-type'),
    text('application/grpc'),
    Buffer.from([0]),
    text('te'),
    text('trailers'),
  ]);
  if (count === 0)
    return Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0, Buffer.alloc(0))]);
  const frames = [];
  for (let stream = first; frames.length < count; stream += 2) {
    frames.push(
      Buffer.concat([
        frame(1, 4, stream, headers),
        frame(0, 0, stream, Buffer.alloc(5)),
        frame(3, 0, stream, Buffer.from([0, 0, 0, 8])),
      ]),
    );
  }
  return Buffer.concat(frames);
}

// For the machine's sake the program is killed beyond so many threads.
const maxThreads = 12_000;

export async function reset(scene) {
  const ingest = await scene.ingest();
  const began = performance.now();
  const method = '/runner.v1.IngestAdmin/GetStatus';
  let sent = 0;
  const flood = async () => {
    const socket = net.connect(ingest.grpcPort, '127.0.0.1');
    scene.sockets.push(socket);
    const closed = next(socket, 'close');
    socket.on('error', () => {}).resume();
    socket.write(resets(0, 0, method));
    for (let first = 1; !socket.destroyed && performance.now() - began < 15_000; first += 400) {
      if (ingest.threads > maxThreads || !ingest.running) break;
      sent += 200;
      const more = socket.write(resets(first, 200, method));
      await (more ? sleep(0) : Promise.race([closed, next(socket, 'drain'), sleep(1000)]));
    }
    socket.destroy();
  };
  const floods = async () => {
    while (performance.now() - began < 15_000 && ingest.running && ingest.threads <= maxThreads)
      await Promise.race([flood(), sleep(15_000)]);
  };
  await Promise.all([floods(), floods(), floods(), floods()]);
  const cut = ingest.threads > maxThreads;
  if (cut) ingest.child.kill('SIGKILL');
  const end = cut
    ? `killed by this script at ${seconds(began)}`
    : ingest.running
      ? `/healthz ${await ingest.health()}`
      : `exit ${await ingest.exited}`;
  return `${sent} calls reset in ${seconds(began)}: at most ${ingest.threads} threads, ${ingest.peak} MB; ${end}`;
}
