// The side of a peer that the tests hold: plain HTTP, JSON in and out.
import http from 'node:http';

const MAX_BODY = 16 * 1024 * 1024;

export async function readBody(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MAX_BODY) throw new Error('body too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

// The JSON object in a body; an empty one is an empty object.
export const objectOf = (body) => (body === '' ? {} : JSON.parse(body));

// Serves `actions`, functions of (state, body, query) by method and path.
export function controlServer(actions, state) {
  return http.createServer(async (request, response) => {
    const url = new URL(request.url, 'http://localhost');
    const answer = (status, object) =>
      response
        .writeHead(status, { 'content-type': 'application/json' })
        .end(`${JSON.stringify(object)}\n`);
    try {
      const action = actions[`${request.method} ${url.pathname}`];
      if (action === undefined) return answer(404, { error: 'no such action' });
      answer(200, await action(state, await readBody(request), url.searchParams));
    } catch (error) {
      answer(400, { error: String(error) });
    }
  });
}

function listen(server, port) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server.address().port));
  });
}

// Starts a peer and its control side, and says where they are.
export async function run(server, port, control) {
  const ports = { listening: await listen(server, port), control: await listen(control, 0) };
  console.log(JSON.stringify(ports));
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
}
