// What fault-server.mjs can be told to do wrong, or otherwise, is done.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/observations';
import { test } from 'node:test';

import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { ResultSchema } from '@modelcontextprotocol/sdk/types.js';

import {
  connect,
  connectBy,
  initialize,
  NEVER,
  post,
  start,
  streamOpen,
  subscribe,
  TIMEOUT,
  until,
} from './peer-client.mjs';

const EVENT_STREAM = { accept: 'text/event-stream' };

// A session without a stream, by hand: the headers of its requests.
async function session(peer, headers = {}) {
  const answer = await post(peer.url, initialize, headers);
  assert.equal(answer.status, 200);
  return { ...headers, 'mcp-session-id': answer.headers.get('mcp-session-id') };
}

const get = (peer, headers) => fetch(peer.url, { headers: { ...EVENT_STREAM, ...headers } });

test('faults and events go to those who asked for them', { timeout: TIMEOUT }, async (t) => {
  const peer = await start(t);
  const me = await connect(t, peer);
  const subscriptionId = await subscribe(me, 'events');
  assert.deepEqual(await peer.act('/fault'), { sent: 0 });
  assert.deepEqual(await peer.act('/event', { reason: 'Failed', involvedObject: { name: 'a' } }), {
    sent: 1,
  });
  const { level, logger, data } = await me.next();
  assert.equal(level, 'warning');
  assert.equal(logger, 'kubernetes/events');
  assert.deepEqual(Object.keys(data), ['subscriptionId', 'cluster', 'event']);
  assert.equal(data.subscriptionId, subscriptionId);
  assert.equal(data.event.reason, 'Failed');
  assert.equal(data.event.involvedObject.name, 'a');
  assert.equal(data.event.involvedObject.kind, 'Pod');
  await peer.act('/event', { type: 'Normal' });
  assert.equal((await me.next()).level, 'info');
  await me.client.setLoggingLevel('warning');
  assert.deepEqual(await peer.act('/event', { type: 'Normal' }), { sent: 0 });
  await subscribe(me, 'faults');
  assert.deepEqual(await peer.act('/event'), { sent: 1 });
  assert.deepEqual(await peer.act('/fault'), { sent: 1 });
});

test('events_list tells what was listed', { timeout: TIMEOUT }, async (t) => {
  const peer = await start(t);
  const me = await connect(t, peer);
  assert.equal(await me.call('events_list'), '# No events found');
  const timestamp = '2026-11-25T16:48:44Z';
  await peer.act('/list-event', { message: 'a: b\nc', name: 'pod-1', timestamp });
  await peer.act('/list-event', { type: 'Normal', namespace: 'other', timestamp });
  const first = `# The following events (YAML format) were found:
- InvolvedObject:
    Kind: Pod
    Name: pod-1
    apiVersion: v1
  Message: |-
    a: b
    c
  Namespace: shop
  Reason: BackOff
  Timestamp: 2026-11-25 16:48:44 +0000 UTC
  Type: Warning
`;
  assert.equal(await me.call('events_list', { fieldSelector: 'type=Warning' }), first);
  assert.equal(await me.call('events_list', { namespace: 'shop' }), first);
  assert.match(await me.call('events_list'), /pod-1[^]*other/);
});

test('the transport of 2024-11-05', { timeout: TIMEOUT }, async (t) => {
  const peer = await start(t, '--legacy-sse', '--session-loss', '401');
  const url = new URL('/sse', peer.url);
  assert.equal((await post(url, initialize)).status, 400);
  assert.equal((await post(peer.url, initialize)).status, 404);
  const lost = new URL('/messages?sessionId=lost', url);
  assert.equal((await post(lost, initialize)).status, 401);
  const me = await connectBy(t, new SSEClientTransport(url));
  await subscribe(me);
  assert.deepEqual(await peer.act('/fault'), { sent: 1 });
  await me.next();
  assert.equal(await me.call('events_list'), '# No events found');
  const closed = new Promise((resolve) => (me.transport.onerror = resolve));
  assert.deepEqual(await peer.act('/close-streams'), { closed: 1 });
  await closed;
  await until(peer, ({ sessions }) => sessions.length === 0);
});

for (const version of ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25', '2099-01-01']) {
  test(`protocol version ${version}`, { timeout: TIMEOUT }, async (t) => {
    const peer = await start(t, '--protocol-version', version, '--json-response');
    const answer = await post(peer.url, initialize);
    assert.equal((await answer.json()).result.protocolVersion, version);
    const headers = {
      'mcp-session-id': answer.headers.get('mcp-session-id'),
      'mcp-protocol-version': version,
    };
    assert.equal((await post(peer.url, { id: 2, method: 'ping' }, headers)).status, 200);
  });
}

test('streams that are refused, and sessions lost', { timeout: TIMEOUT }, async (t) => {
  const none = await start(t, '--no-stream', '405', '--session-loss', '503');
  const headers = await session(none);
  assert.equal((await get(none, headers)).status, 405);
  const ping = { id: 2, method: 'ping' };
  assert.equal((await post(none.url, ping, headers)).status, 200);
  await none.act('/reset');
  assert.equal((await post(none.url, ping, headers)).status, 503);

  const held = await start(t, '--hold-stream', '2');
  const mine = await session(held);
  for (const status of [409, 409, 200]) assert.equal((await get(held, mine)).status, status);
});

test('tools that are missing, and tools in pages', { timeout: TIMEOUT }, async (t) => {
  const missing = ['--no-tool', 'events_list', '--no-tool', 'events_subscribe'];
  const peer = await start(t, ...missing, '--page-size', '1');
  const me = await connect(t, peer);
  const first = await me.client.listTools();
  assert.equal(first.tools[0].name, 'events_list_subscriptions');
  const second = await me.client.listTools({ cursor: first.nextCursor });
  assert.equal(second.tools[0].name, 'events_unsubscribe');
  assert.equal(second.nextCursor, undefined);
  await assert.rejects(me.client.listTools({ cursor: 'other' }), /invalid cursor/);
  await assert.rejects(me.call('events_list'), /-32602: unknown tool "events_list"/);
  await assert.rejects(me.call('events_subscribe'), /unknown tool/);
});

test('a token that changes', { timeout: TIMEOUT }, async (t) => {
  const peer = await start(t, '--token', 'first');
  const first = { authorization: 'Bearer first' };
  const refused = await post(peer.url, initialize);
  assert.equal(refused.status, 401);
  assert.equal(refused.headers.get('www-authenticate'), 'Bearer');
  const headers = await session(peer, first);
  await peer.act('/token', { token: 'second' });
  const ping = { id: 2, method: 'ping' };
  assert.equal((await post(peer.url, ping, headers)).status, 401);
  assert.equal((await get(peer, headers)).status, 401);
  const again = { ...headers, authorization: 'Bearer second' };
  assert.equal((await post(peer.url, ping, again)).status, 200);
});

test('a stream that a proxy swallows', { timeout: TIMEOUT }, async (t) => {
  const peer = await start(t, '--keep-alive', '20');
  const me = await connect(t, peer, NEVER);
  await subscribe(me);
  assert.deepEqual(await peer.act('/swallow', { on: true }), { swallowed: 1 });
  assert.deepEqual(await peer.act('/fault', { context: 'swallowed' }), { sent: 1 });
  await me.client.ping();

  // Open for the server and the client, and silent.
  const headers = await session(peer);
  const stream = await get(peer, headers);
  assert.equal(stream.status, 200);
  assert.equal((await get(peer, headers)).status, 409);
  const read = stream.body.getReader().read();
  assert.equal(await Promise.race([read, sleep(200, 'silent')]), 'silent');

  await peer.act('/swallow', { on: false });
  assert.equal(await Promise.race([read, sleep(200, 'silent')]), 'silent');
  const fresh = await get(peer, await session(peer));
  assert.match(Buffer.from((await fresh.body.getReader().read()).value).toString(), /^:/);

  await peer.act('/close-streams');
  assert.equal(await Promise.race([read, me.next(), sleep(100, 'silent')]), 'silent');
});

test('the client is asked', { timeout: TIMEOUT }, async (t) => {
  const peer = await start(t);
  assert.deepEqual(await peer.act('/ping'), { answers: [] });
  const me = await connect(t, peer);
  await until(peer, streamOpen);
  const { sessionId } = me.transport;
  assert.deepEqual(await peer.act('/ping'), { answers: [{ sessionId, result: {} }] });
  const { answers } = await peer.act('/ask', { method: 'no/such', params: { a: 1 } });
  assert.equal(answers[0].error.code, -32601);
  // The other way round, for what the SDK throws is what it reports.
  await assert.rejects(me.client.request({ method: 'no/such' }, ResultSchema), { code: -32601 });
});
