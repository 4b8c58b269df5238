// MCP servers that mean harm, and many clusters.

import http from 'node:http';
import { MB, sleep } from './program.mjs';
import { call } from './grpc.mjs';

const duration = 1000 * Number(process.env.RUNNER_HOSTILE_SECONDS ?? 30);

// A server that answers every POST by `answer(id, response)`.
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

function meet(count, answer) {
  return async (scene) => {
    const servers = [];
    for (let i = 0; i < count; ++i) servers.push(await serve(answer));
    const ingest = await scene.ingest(['--sse-reconnect-max-delay', '1'], {
      clusters: servers.map((server, i) => [`c${i}`, `http://127.0.0.1:${server.address().port}/mcp`]),
    });
    let slowest = 0;
    let missed = 0;
    for (const end = Date.now() + duration; Date.now() < end && ingest.running; await sleep(200)) {
      const { status, ms } = await ingest.get('/healthz');
      if (status !== 200) ++missed;
      slowest = Math.max(slowest, ms);
    }
    const end = ingest.running ? await ingest.terminate(60_000) : `exit ${await ingest.exited}`;
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    return `peak ${ingest.peak} MB, /healthz at most ${Math.round(slowest)} ms, ${missed} not 200; ${end}`;
  };
}

const json = (filler) => (id, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(`{"jsonrpc":"2.0","id":${id},"result":{"protocolVersion":"2025-06-18","x":${filler}}}`);
};

// `id: <1 MB>` and 1,000,000 blank lines, again and again.
export const ids = meet(1, (_, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const part = 'id: ' + 'x'.repeat(MB - 100) + '\n' + '\n'.repeat(1_000_000);
  const send = () => response.writable && !response.destroyed && response.write(part, send);
  send();
});
// 16 MB of JSON: an array of numbers, one long string, all but the end of it.
export const numbers = meet(12, json('[' + '0,'.repeat(8 * MB - 200) + '0]'));
export const texts = meet(12, json('"' + 'x'.repeat(16 * MB - 400) + '"'));
export const drip = meet(12, (id, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.write(`{"jsonrpc":"2.0","id":${id},"result":{"x":"` + 'x'.repeat(15 * MB));
});

const many = (scene) => {
  const names = Array.from({ length: 20_000 }, (_, i) => `prod-eu-west-1-${String(i).padStart(6, '0')}`);
  return scene.ingest([], {
    clusters: names.map((name) => [name, `http://127.0.0.1:9/clusters/${name}/mcp`]),
  });
};

export async function scrape(scene) {
  const ingest = await many(scene);
  await sleep(5000);
  const resident = [ingest.residentNow()];
  const answers = [];
  for (let i = 0; i < 5 && ingest.running; ++i) {
    const { status, ms } = await ingest.get('/metrics', { port: ingest.ports.metrics_port, timeout: 60_000 });
    answers.push(`${status || 'no answer'} in ${(ms / 1000).toFixed(1)} s`);
    await sleep(1000);
    resident.push(ingest.residentNow());
  }
  return (
    `resident ${resident[0]} MB, after each scrape ${resident.slice(1).join(', ')} MB, peak ${ingest.peak} MB; ` +
    `/metrics ${answers.join(', ')}; ${await ingest.terminate(60_000)}`
  );
}

// 40 clients ask for /metrics and read nothing of the answer.
export async function slow_scrapes(scene) {
  const ingest = await many(scene);
  await sleep(5000);
  for (const socket of scene.connect(ingest.ports.metrics_port, 40)) {
    socket.pause();
    socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
  }
  for (const end = Date.now() + duration; Date.now() < end && ingest.running; ) await sleep(500);
  if (!ingest.running) return `peak ${ingest.peak} MB; exit ${await ingest.exited}`;
  const { status } = await ingest.get('/metrics', { port: ingest.ports.metrics_port });
  return `peak ${ingest.peak} MB, /metrics afterwards ${status || 'no answer'}; ${await ingest.terminate(60_000)}`;
}

export async function pages(scene) {
  const ingest = await many(scene);
  await sleep(5000);
  const results = [];
  for (const [method, request, next] of [
    ['GetStatus', 2, 10],
    ['ListClusters', 3, 2],
  ]) {
    const answers = [];
    let token;
    do {
      const answer = await call(
        ingest.grpcPort,
        `IngestAdmin/${method}`,
        token ? [[request, token]] : [],
        60_000,
      );
      answers.push(answer.status === 0 ? `${(answer.bytes / MB).toFixed(2)} MiB` : `status ${answer.status}`);
      token = answer.message?.[next]?.[0].toString();
    } while (token && answers.length < 100);
    results.push(`${method}: ${answers.join(', ')}`);
  }
  return results.join('; ');
}
