// One MCP session of the fault server: what it offers and what it was asked to tell.
import { randomBytes } from 'node:crypto';

import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import {
  CallToolRequestSchema,
  ErrorCode,
  InitializeRequestSchema,
  ListToolsRequestSchema,
  ResultSchema,
  SetLevelRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';

const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];
const MAX_SUBSCRIPTIONS = 10;
const ANSWER_LIMIT_MS = 5000;

const text = (body, isError = false) => ({ content: [{ type: 'text', text: body }], isError });
const titled = (title, object) => text(`# ${title}\n\n${JSON.stringify(object, null, 2)}`);

// What the SDK makes an error answer of, without the prefix of its own McpError.
const rpcError = (code, message) => Object.assign(new Error(message), { code });

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
  {
    name: 'events_list',
    description: 'The events of the cluster',
    inputSchema: {
      type: 'object',
      properties: { namespace: { type: 'string' }, fieldSelector: { type: 'string' } },
    },
  },
];

// Makes of a response one that a proxy has lost: its client hears nothing any more, not even the
// end, and the server does not know. What refuses the stream still arrives.
function blackHole(response) {
  const { end } = response;
  response.write = () => {
    response.flushHeaders();
    return true;
  };
  response.end = (...given) =>
    response.statusCode === 200 ? response : end.apply(response, given);
}

export class Session {
  level;
  subscriptions = new Map(); // id -> what events_subscribe answered
  #state;
  #tools;
  #prefix; // of the names of tools, as a gateway gives them
  #streams = new Set(); // responses to GET requests that have not ended

  constructor(state, transport) {
    const { cluster, flags } = state;
    const serverInfo = { name: 'fault-server', version: '0.0.0' };
    const capabilities = { logging: {}, tools: {} };
    this.#state = state;
    this.#prefix = flags['tool-prefix'];
    this.#tools = TOOLS.filter(({ name }) => !flags['no-tool'].includes(name)).map((tool) => ({
      ...tool,
      name: this.#prefix + tool.name,
    }));
    this.cluster = cluster;
    this.transport = transport;
    this.server = new Server(serverInfo, { capabilities });
    const protocolVersion = flags['protocol-version'];
    if (protocolVersion !== undefined) {
      this.server.setRequestHandler(InitializeRequestSchema, () => ({
        protocolVersion,
        capabilities,
        serverInfo,
      }));
    }
    this.server.setRequestHandler(SetLevelRequestSchema, ({ params }) => {
      this.level = params.level;
      return {};
    });
    this.server.setRequestHandler(ListToolsRequestSchema, ({ params = {} }) => this.#page(params));
    this.server.setRequestHandler(CallToolRequestSchema, ({ params }) => this.#call(params));
  }

  get id() {
    return this.transport.sessionId;
  }

  get streamOpen() {
    return [...this.#streams].some((response) => response.headersSent && response.statusCode === 200);
  }

  watchStream(response) {
    this.#streams.add(response);
    response.on('close', () => this.#streams.delete(response));
    if (this.#state.swallowing) blackHole(response);
  }

  // Returns how many streams that holds for.
  swallowStreams() {
    for (const response of this.#streams) blackHole(response);
    return this.#streams.size;
  }

  closeStream() {
    if (this.#state.flags['legacy-sse']) {
      for (const response of this.#streams) response.end();
    } else {
      this.transport.closeStandaloneSSEStream();
    }
    this.#streams.clear();
  }

  hears(level) {
    return this.level !== undefined && LEVELS.indexOf(this.level) <= LEVELS.indexOf(level);
  }

  // Sends `make(subscriptionId)` as data for every subscription, or every one of that mode; returns
  // how many were sent. What cannot be delivered ends the subscription, and nobody is told.
  async tell(level, logger, make, mode) {
    if (!this.hears(level)) return 0;
    const told = [...this.subscriptions.values()].filter(
      (one) => (mode ?? one.mode) === one.mode && !one.degraded,
    );
    const deliverable = this.streamOpen || this.#state.flags['event-store'];
    for (const { subscriptionId } of told) {
      if (!deliverable) {
        this.subscriptions.delete(subscriptionId);
        continue;
      }
      const params = { level, logger, data: make(subscriptionId) };
      await this.server.notification({ method: 'notifications/message', params });
    }
    return deliverable ? told.length : 0;
  }

  // Gives up the watch of every subscription: each stays listed, and nothing comes by it any more.
  degrade() {
    for (const subscription of this.subscriptions.values()) subscription.degraded = true;
    return this.subscriptions.size;
  }

  // Sends a request to the client; returns its result or its error.
  async ask(method, params) {
    try {
      const limit = { timeout: ANSWER_LIMIT_MS };
      return { result: await this.server.request({ method, params }, ResultSchema, limit) };
    } catch ({ code, message }) {
      return { error: { code, message } };
    }
  }

  #page({ cursor }) {
    const size = Number(this.#state.flags['page-size']) || this.#tools.length;
    const [, digits = '0'] = /^after-(\d+)$/.exec(cursor ?? 'after-0') ?? [];
    const from = Number(digits);
    if (cursor !== undefined && (from === 0 || from >= this.#tools.length)) {
      throw rpcError(ErrorCode.InvalidParams, 'invalid cursor');
    }
    const to = from + size;
    const nextCursor = to < this.#tools.length ? `after-${to}` : undefined;
    return { tools: this.#tools.slice(from, to), nextCursor };
  }

  #call({ name: called, arguments: given = {} }) {
    if (!this.#tools.some((tool) => tool.name === called)) {
      throw rpcError(ErrorCode.InvalidParams, `unknown tool "${called}"`);
    }
    const name = called.slice(this.#prefix.length);
    if (name === 'events_subscribe') return this.#subscribe(given.mode ?? 'events');
    if (name === 'events_unsubscribe') return this.#unsubscribe(given.subscriptionId);
    if (name === 'events_list') return this.#listEvents(given);
    const subscriptions = [...this.subscriptions.values()];
    return titled('Active Subscriptions', { subscriptions, total: subscriptions.length });
  }

  #subscribe(mode) {
    if (!['events', 'faults'].includes(mode)) return text(`unknown mode ${mode}`, true);
    if (this.subscriptions.size >= MAX_SUBSCRIPTIONS) return text('too many subscriptions', true);
    const subscription = {
      subscriptionId: `sub-${randomBytes(8).toString('hex')}`,
      cluster: this.cluster,
      mode,
      filters: {},
      createdAt: new Date().toISOString(),
    };
    this.subscriptions.set(subscription.subscriptionId, subscription);
    return titled('Event Subscription Created', { ...subscription, status: 'active' });
  }

  #unsubscribe(subscriptionId) {
    if (!this.subscriptions.delete(subscriptionId)) return text('no such subscription', true);
    return titled('Subscription Cancelled', { subscriptionId, cancelled: true });
  }

  #listEvents(given) {
    try {
      return text(this.#state.events.text(given));
    } catch (error) {
      return text(error.message, true);
    }
  }
}
