// Peers and clients for the tests of the peers.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { LoggingMessageNotificationSchema } from '@modelcontextprotocol/sdk/types.js';

export const TIMEOUT = 30_000;

// Starts a peer that ends with the test `t`.
export async function startPeer(t, script, ...args) {
  const file = new URL(script, import.meta.url).pathname;
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  const { listening, control } = JSON.parse(line);
  const ask = async (method, path, body) => {
    const response = await fetch(`http://127.0.0.1:${control}${path}`, { method, body });
    assert.equal(response.status, 200, `${path} ${response.status}`);
    return response.json();
  };
  const act = (path, body) => ask('POST', path, body && JSON.stringify(body));
  return { child, origin: `http://127.0.0.1:${listening}`, ask, act };
}

export async function start(t, ...args) {
  const peer = await startPeer(t, './fault-server.mjs', ...args);
  return { ...peer, url: new URL('/mcp', peer.origin) };
}

// Asks until `condition` holds; the time limit of the test is the only limit.
export async function until(peer, condition) {
  for (;;) {
    const state = await peer.ask('GET', '/state');
    if (condition(state)) return state;
  }
}

export const streamOpen = (state) => state.sessions[0]?.streamOpen === true;

export const NEVER = 3_600_000;

// A client on `transport`. `next()` waits for the next notification.
export async function connectBy(t, transport) {
  const client = new Client({ name: 'smoke', version: '0' }, { capabilities: {} });
  const seen = [];
  let wake = () => {};
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => {
    seen.push(params);
    wake();
  });
  t.after(() => client.close());
  await client.connect(transport);
  const next = async () => {
    while (seen.length === 0) await new Promise((resolve) => (wake = resolve));
    return seen.shift();
  };
  const call = async (name, given = {}) => {
    const { content, isError } = await client.callTool({ name, arguments: given });
    assert.ok(!isError, content[0].text);
    return content[0].text;
  };
  return { client, transport, next, call };
}

// A client with its stream open, which it opens again `delay` ms after losing it.
export async function connect(t, peer, delay = 10) {
  const transport = new StreamableHTTPClientTransport(peer.url, {
    reconnectionOptions: {
      initialReconnectionDelay: delay,
      maxReconnectionDelay: delay,
      reconnectionDelayGrowFactor: 1,
      maxRetries: 100,
    },
  });
  const me = await connectBy(t, transport);
  await until(peer, streamOpen);
  return me;
}

export const objectIn = (answer) => JSON.parse(answer.slice(answer.indexOf('{')));

export async function subscribe({ client, call }, mode = 'faults') {
  await client.setLoggingLevel('info');
  const answer = await call('events_subscribe', { mode });
  assert.match(answer, /^# Event Subscription Created\n/);
  return objectIn(answer).subscriptionId;
}

// One message by hand, for what a good client never sees.
export function post(url, message, headers = {}) {
  return fetch(url, {
    method: 'POST',
    headers: {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', ...message }),
  });
}

export const initialize = {
  id: 1,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'by hand', version: '0' },
  },
};
