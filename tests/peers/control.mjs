// The side of the fault server that the tests hold: plain HTTP, JSON in and out.
import { randomBytes, randomUUID } from 'node:crypto';
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

function parse(body) {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

// `given` over a fault that would do.
function fault(given, cluster, subscriptionId) {
  return {
    subscriptionId,
    cluster,
    faultId: randomBytes(8).toString('hex'),
    faultType: 'CrashLoop',
    severity: 'critical',
    context: 'back-off restarting failed container\npanic: test\n',
    timestamp: new Date().toISOString(),
    ...given,
    resource: {
      apiVersion: 'v1',
      kind: 'Pod',
      name: 'checkout-7c9d8b6f4-x2k9p',
      namespace: 'shop',
      uid: randomUUID(),
      ...given.resource,
    },
  };
}

async function tellAll(state, level, logger, make) {
  let sent = 0;
  for (const session of state.sessions.values()) sent += await session.tell(level, logger, make);
  return { sent };
}

function describe(session) {
  return {
    id: session.id,
    level: session.level ?? null,
    streamOpen: session.streamOpen,
    subscriptions: [...session.subscriptions.values()],
  };
}

const ACTIONS = {
  'GET /state': (state) => ({
    sessions: [...state.sessions.values()].map(describe),
    requests: state.requests,
  }),

  'POST /fault': (state, body) => {
    const given = fault(body === '' ? {} : JSON.parse(body), state.cluster);
    return tellAll(state, 'warning', 'kubernetes/faults', (subscriptionId) => ({
      ...given,
      subscriptionId: given.subscriptionId ?? subscriptionId,
    }));
  },

  'POST /raw': (state, body, query) => {
    const data = parse(body);
    return tellAll(state, 'warning', query.get('logger') ?? 'kubernetes/faults', () => data);
  },

  'POST /notify-subscription-error': (state, body) => {
    const given = body === '' ? {} : JSON.parse(body);
    return tellAll(state, 'error', 'kubernetes/subscription_error', (subscriptionId) => ({
      subscriptionId,
      cluster: state.cluster,
      error: 'watch failed 5 times: connection refused',
      degraded: true,
      ...given,
    }));
  },

  'POST /drop-subscriptions': (state) => {
    let dropped = 0;
    for (const session of state.sessions.values()) {
      dropped += session.subscriptions.size;
      session.subscriptions.clear();
    }
    return { dropped };
  },

  'POST /close-streams': (state) => {
    const open = [...state.sessions.values()].filter((session) => session.streamOpen);
    for (const session of open) session.closeStream();
    return { closed: open.length };
  },

  'POST /reset': async (state) => {
    const sessions = [...state.sessions.values()];
    state.sessions.clear();
    for (const session of sessions) await session.transport.close();
    return { forgotten: sessions.length };
  },
};

export function controlServer(state) {
  return http.createServer(async (request, response) => {
    const url = new URL(request.url, 'http://localhost');
    const answer = (status, object) =>
      response
        .writeHead(status, { 'content-type': 'application/json' })
        .end(`${JSON.stringify(object)}\n`);
    try {
      const action = ACTIONS[`${request.method} ${url.pathname}`];
      if (action === undefined) return answer(404, { error: 'no such action' });
      answer(200, await action(state, await readBody(request), url.searchParams));
    } catch (error) {
      answer(400, { error: String(error) });
    }
  });
}
