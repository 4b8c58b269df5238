// As much of the Kubernetes API as kubernetes-mcp-server needs to list events. See README.md.
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { parseArgs } from 'node:util';

import { controlServer, objectOf, run } from './control-server.mjs';
import { selects } from './field-selector.mjs';

const MAX_LOG = 10_000;

const { values: flags } = parseArgs({ options: { port: { type: 'string', default: '0' } } });

const group = 'authorization.k8s.io';
const groupVersion = { groupVersion: `${group}/v1`, version: 'v1' };
const reviews = `/apis/${groupVersion.groupVersion}/selfsubjectaccessreviews`;

const resource = (kind, name, namespaced, verbs) => ({
  name,
  singularName: kind.toLowerCase(),
  namespaced,
  kind,
  verbs,
});

// What is answered the same way always, by path.
const DISCOVERY = {
  '/version': { major: '1', minor: '34', gitVersion: 'v1.34.0', platform: 'linux/amd64' },
  '/api': { kind: 'APIVersions', versions: ['v1'] },
  '/apis': {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: [{ name: group, versions: [groupVersion], preferredVersion: groupVersion }],
  },
  '/api/v1': {
    kind: 'APIResourceList',
    groupVersion: 'v1',
    resources: [
      resource('Event', 'events', true, ['get', 'list', 'watch']),
      resource('Namespace', 'namespaces', false, ['get', 'list']),
      resource('Pod', 'pods', true, ['get', 'list']),
    ],
  },
  [`/apis/${groupVersion.groupVersion}`]: {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: groupVersion.groupVersion,
    resources: [resource('SelfSubjectAccessReview', 'selfsubjectaccessreviews', false, ['create'])],
  },
};

const state = { events: [], requests: [], delayMs: 0 };

// `given` over an event that would do.
function event(given) {
  const now = new Date().toISOString().replace(/\.\d+/, '');
  const number = state.events.length + 1;
  const namespace = given.metadata?.namespace ?? given.involvedObject?.namespace ?? 'shop';
  return {
    kind: 'Event',
    apiVersion: 'v1',
    reason: 'BackOff',
    message: 'Back-off restarting failed container',
    type: 'Warning',
    count: 1,
    firstTimestamp: now,
    lastTimestamp: now,
    source: { component: 'kubelet' },
    ...given,
    metadata: {
      name: `event-${number}`,
      namespace,
      uid: randomUUID(),
      resourceVersion: String(number),
      creationTimestamp: now,
      ...given.metadata,
    },
    involvedObject: {
      apiVersion: 'v1',
      kind: 'Pod',
      name: `pod-${number}`,
      namespace,
      uid: randomUUID(),
      ...given.involvedObject,
    },
  };
}

function events(url) {
  const [, namespace] = /^\/api\/v1\/(?:namespaces\/([^/]+)\/)?events$/.exec(url.pathname);
  const selector = url.searchParams.get('fieldSelector') ?? '';
  const items = state.events.filter(
    (one) =>
      (namespace === undefined || one.metadata.namespace === namespace) && selects(selector, one),
  );
  const metadata = { resourceVersion: String(state.events.length) };
  return { kind: 'EventList', apiVersion: 'v1', metadata, items };
}

function failure(code, reason, message) {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, message, code };
}

// Without this permission kubernetes-mcp-server lists the events of one namespace only. What it
// asks is protobuf and goes unread.
const allowed = {
  kind: 'SelfSubjectAccessReview',
  apiVersion: groupVersion.groupVersion,
  status: { allowed: true },
};

function find(request, url) {
  if (request.method === 'POST' && url.pathname === reviews) return [201, allowed];
  if (request.method !== 'GET') {
    return [405, failure(405, 'MethodNotAllowed', `${request.method} is not supported`)];
  }
  if (/^\/api\/v1\/(namespaces\/[^/]+\/)?events$/.test(url.pathname)) return [200, events(url)];
  const found = DISCOVERY[url.pathname];
  return found ? [200, found] : [404, failure(404, 'NotFound', `${url.pathname} is not here`)];
}

const ACTIONS = {
  'GET /state': () => ({ events: state.events.length, requests: state.requests }),

  'POST /event': (_, body) => {
    state.events.push(event(objectOf(body)));
    return { events: state.events.length };
  },

  'POST /bulk': (_, body) => {
    const { count, messageBytes = 0, ...given } = objectOf(body);
    const message = 'm'.repeat(messageBytes);
    for (let i = 0; i < count; i += 1) {
      state.events.push(event({ ...given, ...(message === '' ? {} : { message }) }));
    }
    return { events: state.events.length };
  },

  'POST /delay': (_, body) => {
    state.delayMs = objectOf(body).ms;
    return {};
  },
};

const api = http.createServer((request, response) => {
  state.requests.push({ method: request.method, path: request.url });
  if (state.requests.length > MAX_LOG) state.requests.shift();
  request.resume();
  const [status, object] = find(request, new URL(request.url, 'http://localhost'));
  const answer = () =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(object));
  setTimeout(answer, object.kind === 'EventList' ? state.delayMs : 0);
});

await run(api, Number(flags.port), controlServer(ACTIONS, state));
