// What the tests can make the fault server do.
import { randomBytes, randomUUID } from 'node:crypto';

import { controlServer, objectOf } from './control-server.mjs';

function parse(body) {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
}

// One of a ReplicaSet: each fault and event is about another Pod, unless it is said which.
const podName = () => `checkout-7c9d8b6f4-${randomBytes(3).toString('hex').slice(1)}`;

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
      name: podName(),
      namespace: 'shop',
      uid: randomUUID(),
      ...given.resource,
    },
  };
}

// `given` over an event that would do, as subscriptions of mode events tell it.
function event(given) {
  const now = new Date().toISOString();
  const namespace = given.namespace ?? 'shop';
  return {
    namespace,
    timestamp: now,
    type: 'Warning',
    reason: 'BackOff',
    message: 'Back-off restarting failed container',
    labels: {},
    count: 1,
    firstTimestamp: now,
    lastTimestamp: now,
    ...given,
    involvedObject: {
      apiVersion: 'v1',
      kind: 'Pod',
      name: podName(),
      namespace,
      uid: randomUUID(),
      ...given.involvedObject,
    },
  };
}

async function tellAll(state, level, logger, make, mode) {
  let sent = 0;
  for (const session of state.sessions.values()) {
    sent += await session.tell(level, logger, make, mode);
  }
  return { sent };
}

// Asks the client of every open stream.
async function askAll(state, method, params) {
  const asked = [...state.sessions.values()].filter((session) => session.streamOpen);
  const answers = asked.map(async (session) => ({
    sessionId: session.id,
    ...(await session.ask(method, params)),
  }));
  return { answers: await Promise.all(answers) };
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
    const given = fault(objectOf(body), state.cluster);
    const make = (subscriptionId) => ({
      ...given,
      subscriptionId: given.subscriptionId ?? subscriptionId,
    });
    return tellAll(state, 'warning', 'kubernetes/faults', make, 'faults');
  },

  'POST /event': (state, body) => {
    const given = event(objectOf(body));
    const level = given.type === 'Normal' ? 'info' : 'warning';
    const { cluster } = state;
    const make = (subscriptionId) => ({ subscriptionId, cluster, event: given });
    return tellAll(state, level, 'kubernetes/events', make, 'events');
  },

  'POST /list-event': (state, body) => {
    state.events.add(objectOf(body));
    return { listed: state.events.size };
  },

  'POST /raw': (state, body, query) => {
    const data = parse(body);
    return tellAll(state, 'warning', query.get('logger') ?? 'kubernetes/faults', () => data);
  },

  'POST /notify-subscription-error': (state, body) => {
    const given = objectOf(body);
    return tellAll(state, 'error', 'kubernetes/subscription_error', (subscriptionId) => ({
      subscriptionId,
      cluster: state.cluster,
      error: 'watch failed 5 times: connection refused',
      degraded: true,
      ...given,
    }));
  },

  'POST /degrade': async (state, body) => {
    const { notify = true } = objectOf(body);
    if (notify) await ACTIONS['POST /notify-subscription-error'](state, '');
    let degraded = 0;
    for (const session of state.sessions.values()) degraded += session.degrade();
    return { degraded };
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

  'POST /swallow': (state, body) => {
    state.swallowing = JSON.parse(body).on;
    if (!state.swallowing) return { swallowed: 0 };
    const sessions = [...state.sessions.values()];
    return { swallowed: sessions.reduce((sum, session) => sum + session.swallowStreams(), 0) };
  },

  'POST /ping': (state) => askAll(state, 'ping'),

  'POST /ask': (state, body) => {
    const { method, params } = JSON.parse(body);
    return askAll(state, method, params);
  },

  'POST /token': (state, body) => {
    state.token = JSON.parse(body).token ?? undefined;
    return {};
  },

  'POST /reset': async (state) => {
    const sessions = [...state.sessions.values()];
    state.sessions.clear();
    for (const session of sessions) await session.transport.close();
    return { forgotten: sessions.length };
  },
};

export const control = (state) => controlServer(ACTIONS, state);
