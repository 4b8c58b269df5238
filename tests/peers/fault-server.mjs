// An MCP server that pushes faults, on the official SDK, for tests to drive. See README.md.
import { randomBytes, randomUUID } from 'node:crypto';
import http from 'node:http';
import { parseArgs } from 'node:util';

import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import {
  CallToolRequestSchema,
  isInitializeRequest,
  ListToolsRequestSchema,
  SetLevelRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';

import { controlServer, readBody } from './control.mjs';
import { EventStore } from './event-store.mjs';

const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];
const MAX_SUBSCRIPTIONS = 10;
const MAX_LOG = 10_000;

const { values: flags } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    cluster: { type: 'string', default: 'peer' },
    'event-store': { type: 'boolean', default: false },
    'json-response': { type: 'boolean', default: false },
    'reject-last-event-id': { type: 'boolean', default: false },
    'keep-alive': { type: 'string', default: '0' },
  },
});

const text = (body, isError = false) => ({ content: [{ type: 'text', text: body }], isError });
const titled = (title, object) => text(`# ${title}\n\n${JSON.stringify(object, null, 2)}`);

const TOOLS = [
  {
    name: 'events_subscribe',
    description: 'Be told of faults or events. Call logging/setLevel first.',
    inputSchema: {
      type: 'object',
      properties: { mode: { type: 'string', enum: ['events', 'faults'], default: 'events' } },
    },
  },
  {
    name: 'events_list_subscriptions',
    description: 'The subscriptions of this session',
    inputSchema: { type: 'object' },
  },
  {
    name: 'events_unsubscribe',
    description: 'End a subscription',
    inputSchema: {
      type: 'object',
      properties: { subscriptionId: { type: 'string' } },
      required: ['subscriptionId'],
    },
  },
];

// One MCP session: its SDK server and transport, and what it asked to be told.
class Session {
  id;
  level;
  subscriptions = new Map(); // id -> what events_subscribe answered
  #streams = new Set(); // responses to GET requests that have not ended

  constructor(onInitialized) {
    this.transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => {
        this.id = id;
        onInitialized(this);
      },
      enableJsonResponse: flags['json-response'],
      eventStore: flags['event-store'] ? new EventStore() : undefined,
      keepAliveMs: Number(flags['keep-alive']),
    });
    this.server = new Server(
      { name: 'fault-server', version: '0.0.0' },
      { capabilities: { logging: {}, tools: {} } },
    );
    this.server.setRequestHandler(SetLevelRequestSchema, ({ params }) => {
      this.level = params.level;
      return {};
    });
    this.server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: TOOLS }));
    this.server.setRequestHandler(CallToolRequestSchema, ({ params }) => this.#call(params));
  }

  get streamOpen() {
    return [...this.#streams].some((response) => response.headersSent && response.statusCode === 200);
  }

  watchStream(response) {
    this.#streams.add(response);
    response.on('close', () => this.#streams.delete(response));
  }

  closeStream() {
    this.transport.closeStandaloneSSEStream();
    this.#streams.clear();
  }

  hears(level) {
    return this.level !== undefined && LEVELS.indexOf(this.level) <= LEVELS.indexOf(level);
  }

  // Sends `make(subscriptionId)` as data for every subscription; returns how many were sent.
  // What cannot be delivered ends the subscription, and nobody is told.
  async tell(level, logger, make) {
    if (!this.hears(level)) return 0;
    if (!this.streamOpen && !flags['event-store']) {
      this.subscriptions.clear();
      return 0;
    }
    for (const id of this.subscriptions.keys()) {
      const params = { level, logger, data: make(id) };
      await this.server.notification({ method: 'notifications/message', params });
    }
    return this.subscriptions.size;
  }

  #call({ name, arguments: given = {} }) {
    if (name === 'events_subscribe') return this.#subscribe(given.mode ?? 'events');
    if (name === 'events_list_subscriptions') {
      const subscriptions = [...this.subscriptions.values()];
      return titled('Active Subscriptions', { subscriptions, total: subscriptions.length });
    }
    if (name === 'events_unsubscribe') {
      const subscriptionId = given.subscriptionId;
      if (!this.subscriptions.delete(subscriptionId)) return text('no such subscription', true);
      return titled('Subscription Cancelled', { subscriptionId, cancelled: true });
    }
    return text(`unknown tool ${name}`, true);
  }

  #subscribe(mode) {
    if (!['events', 'faults'].includes(mode)) return text(`unknown mode ${mode}`, true);
    if (this.subscriptions.size >= MAX_SUBSCRIPTIONS) return text('too many subscriptions', true);
    const subscription = {
      subscriptionId: `sub-${randomBytes(8).toString('hex')}`,
      cluster: flags.cluster,
      mode,
      filters: {},
      createdAt: new Date().toISOString(),
    };
    this.subscriptions.set(subscription.subscriptionId, subscription);
    return titled('Event Subscription Created', { ...subscription, status: 'active' });
  }
}

// Everything there is, for the control side to look at and to break.
const state = { cluster: flags.cluster, sessions: new Map(), requests: [] };

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

function refuse(response, status, message) {
  const error = { jsonrpc: '2.0', error: { code: -32000, message }, id: null };
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(error));
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
  if (new URL(request.url, 'http://localhost').pathname !== '/mcp') {
    return refuse(response, 404, 'Not Found');
  }
  if (flags['reject-last-event-id'] && request.headers['last-event-id'] !== undefined) {
    return refuse(response, 400, 'Bad Request: streams cannot be resumed');
  }
  const id = request.headers['mcp-session-id'];
  if (id === undefined && isInitializeRequest(message)) {
    const session = new Session((ready) => state.sessions.set(ready.id, ready));
    await session.server.connect(session.transport);
    return session.transport.handleRequest(request, response, message);
  }
  if (id === undefined) return refuse(response, 400, 'Bad Request: Mcp-Session-Id is required');
  const session = state.sessions.get(id);
  if (session === undefined) return refuse(response, 404, 'Session not found');
  if (request.method === 'GET') session.watchStream(response);
  if (request.method === 'DELETE') state.sessions.delete(id);
  return session.transport.handleRequest(request, response, message);
}

function listen(server, port) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server.address().port));
  });
}

const mcp = http.createServer((request, response) => {
  serve(request, response).catch((error) => {
    console.error(error);
    if (!response.headersSent) refuse(response, 500, 'Internal error');
  });
});

const listening = await listen(mcp, Number(flags.port));
const control = await listen(controlServer(state), 0);
console.log(JSON.stringify({ listening, control }));
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
