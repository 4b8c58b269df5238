// An MCP server that pushes faults, on the official SDK, for tests to drive. See README.md.
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { parseArgs } from 'node:util';

import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { isInitializeRequest, SUPPORTED_PROTOCOL_VERSIONS } from '@modelcontextprotocol/sdk/types.js';

import { readBody, run } from './control-server.mjs';
import { control } from './control.mjs';
import { EventStore } from './event-store.mjs';
import { EventsList } from './events-list.mjs';
import { Session } from './session.mjs';

const MAX_LOG = 10_000;

const { values: flags } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    cluster: { type: 'string', default: 'peer' },
    'event-store': { type: 'boolean', default: false },
    'json-response': { type: 'boolean', default: false },
    'reject-last-event-id': { type: 'boolean', default: false },
    'keep-alive': { type: 'string', default: '0' },
    'legacy-sse': { type: 'boolean', default: false },
    'protocol-version': { type: 'string' },
    'no-stream': { type: 'string' },
    'hold-stream': { type: 'string', default: '0' },
    'session-loss': { type: 'string', default: '404' },
    'no-tool': { type: 'string', multiple: true, default: [] },
    'tool-prefix': { type: 'string', default: '' },
    'plain-list': { type: 'boolean', default: false },
    'page-size': { type: 'string', default: '0' },
    token: { type: 'string' },
  },
});

// A server that answers with a version speaks it: the transport must not refuse it in headers.
if (flags['protocol-version']) SUPPORTED_PROTOCOL_VERSIONS.push(flags['protocol-version']);

// Everything there is, for the control side to look at and to break.
const state = {
  flags,
  cluster: flags.cluster,
  token: flags.token,
  heldStreams: Number(flags['hold-stream']),
  swallowing: false,
  sessions: new Map(),
  requests: [],
  events: new EventsList(flags['plain-list']),
};

function log(request, message) {
  const { headers } = request;
  const messages = [message ?? []].flat();
  state.requests.push({
    method: request.method,
    path: request.url,
    accept: headers.accept,
    authorization: headers.authorization,
    sessionId: headers['mcp-session-id'],
    protocolVersion: headers['mcp-protocol-version'],
    lastEventId: headers['last-event-id'],
    rpc: messages.map((one) => one?.method ?? 'response'),
    tools: messages.filter((one) => one?.method === 'tools/call').map((one) => one.params),
  });
  if (state.requests.length > MAX_LOG) state.requests.shift();
}

function refuse(response, status, message, headers) {
  const error = { jsonrpc: '2.0', error: { code: -32000, message }, id: null };
  response
    .writeHead(status, { 'content-type': 'application/json', ...headers })
    .end(JSON.stringify(error));
}

async function begin(request, response, message) {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => state.sessions.set(id, session),
    enableJsonResponse: flags['json-response'],
    eventStore: flags['event-store'] ? new EventStore() : undefined,
    keepAliveMs: Number(flags['keep-alive']),
  });
  const session = new Session(state, transport);
  await session.server.connect(transport);
  return transport.handleRequest(request, response, message);
}

async function serveStreamable(request, response, message) {
  if (flags['reject-last-event-id'] && request.headers['last-event-id'] !== undefined) {
    return refuse(response, 400, 'Bad Request: streams cannot be resumed');
  }
  if (flags['no-stream'] && request.method === 'GET') {
    return refuse(response, Number(flags['no-stream']), 'There are no streams here');
  }
  const id = request.headers['mcp-session-id'];
  if (id === undefined && isInitializeRequest(message)) return begin(request, response, message);
  if (id === undefined) return refuse(response, 400, 'Bad Request: Mcp-Session-Id is required');
  const session = state.sessions.get(id);
  if (session === undefined) {
    return refuse(response, Number(flags['session-loss']), 'Session not found');
  }
  if (request.method === 'GET') {
    if (state.heldStreams > 0) {
      state.heldStreams -= 1;
      return refuse(response, 409, 'Conflict: Only one SSE stream is allowed per session');
    }
    session.watchStream(response);
  }
  if (request.method === 'DELETE') state.sessions.delete(id);
  return session.transport.handleRequest(request, response, message);
}

// The transport of 2024-11-05: a stream is a session, and its first event says where to POST.
async function serveStream(response) {
  const transport = new SSEServerTransport('/messages', response);
  const session = new Session(state, transport);
  session.watchStream(response);
  state.sessions.set(session.id, session);
  response.on('close', () => state.sessions.delete(session.id));
  await session.server.connect(transport);
}

async function serveLegacy(request, response, message, url) {
  if (request.method === 'GET' && url.pathname === '/sse') return serveStream(response);
  if (request.method !== 'POST') return refuse(response, 405, 'Method Not Allowed');
  const id = url.searchParams.get('sessionId');
  // So does kubernetes-mcp-server 0.0.66 answer who tries Streamable HTTP first.
  if (id === null) return refuse(response, 400, 'sessionid must be provided');
  const session = state.sessions.get(id);
  if (session === undefined) {
    return refuse(response, Number(flags['session-loss']), 'Session not found');
  }
  return session.transport.handlePostMessage(request, response, message);
}

async function serve(request, response) {
  let message;
  if (request.method === 'POST') {
    try {
      message = JSON.parse(await readBody(request));
    } catch {
      return refuse(response, 400, 'Parse error');
    }
  }
  log(request, message);
  if (state.token !== undefined && request.headers.authorization !== `Bearer ${state.token}`) {
    return refuse(response, 401, 'Unauthorized', { 'www-authenticate': 'Bearer' });
  }
  const url = new URL(request.url, 'http://localhost');
  const paths = flags['legacy-sse'] ? ['/sse', '/messages'] : ['/mcp'];
  if (!paths.includes(url.pathname)) return refuse(response, 404, 'Not Found');
  if (flags['legacy-sse']) return serveLegacy(request, response, message, url);
  return serveStreamable(request, response, message);
}

const mcp = http.createServer((request, response) => {
  serve(request, response).catch((error) => {
    console.error(error);
    if (!response.headersSent) refuse(response, 500, 'Internal error');
  });
});

await run(mcp, Number(flags.port), control(state));
