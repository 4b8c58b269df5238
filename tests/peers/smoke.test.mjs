// The SDK's own client against the fault server: it must be a peer that can be trusted before the
// runner is tested with it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';

import {
  connect,
  NEVER,
  objectIn,
  start,
  streamOpen,
  subscribe,
  TIMEOUT,
  until,
} from './peer-client.mjs';

test('a subscriber gets faults', { timeout: TIMEOUT }, async (t) => {
  const peer = await start(t);
  const me = await connect(t, peer);
  const tools = await me.client.listTools();
  assert.deepEqual(
    tools.tools.map((tool) => tool.name),
    ['events_subscribe', 'events_list_subscriptions', 'events_unsubscribe', 'events_list'],
  );
  const subscriptionId = await subscribe(me);
  const given = { faultType: 'PodCrash', resource: { name: 'a' }, context: 'two\nlines' };
  assert.deepEqual(await peer.act('/fault', given), { sent: 1 });
  const { level, logger, data } = await me.next();
  assert.equal(level, 'warning');
  assert.equal(logger, 'kubernetes/faults');
  assert.equal(data.subscriptionId, subscriptionId);
  assert.match(data.faultId, /^[0-9a-f]{16}$/);
  assert.equal(data.faultType, 'PodCrash');
  assert.equal(data.resource.name, 'a');
  assert.equal(data.resource.kind, 'Pod');
  assert.equal(data.context, 'two\nlines');
});

test('nothing is sent without a level or a subscription', { timeout: TIMEOUT }, async (t) => {
  const peer = await start(t);
  const me = await connect(t, peer);
  await me.call('events_subscribe', { mode: 'faults' });
  assert.deepEqual(await peer.act('/fault'), { sent: 0 });
  await me.client.setLoggingLevel('error');
  assert.deepEqual(await peer.act('/fault'), { sent: 0 });
  await me.client.setLoggingLevel('info');
  assert.deepEqual(await peer.act('/fault'), { sent: 1 });
  await peer.act('/drop-subscriptions');
  assert.deepEqual(await peer.act('/fault'), { sent: 0 });
  assert.equal(objectIn(await me.call('events_list_subscriptions')).total, 0);
});

test('unsubscribe', { timeout: TIMEOUT }, async (t) => {
  const peer = await start(t);
  const me = await connect(t, peer);
  const subscriptionId = await subscribe(me);
  assert.equal(objectIn(await me.call('events_list_subscriptions')).total, 1);
  await me.call('events_unsubscribe', { subscriptionId });
  await assert.rejects(me.call('events_unsubscribe', { subscriptionId }), /no such subscription/);
  assert.deepEqual(await peer.act('/fault'), { sent: 0 });
});

test('raw data and subscription errors', { timeout: TIMEOUT }, async (t) => {
  const peer = await start(t);
  const me = await connect(t, peer);
  const subscriptionId = await subscribe(me);
  await peer.act('/raw', { anything: [1, '\u001b'] });
  assert.deepEqual((await me.next()).data, { anything: [1, '\u001b'] });
  await peer.ask('POST', '/raw?logger=other', 'no JSON');
  assert.deepEqual(await me.next(), { level: 'warning', logger: 'other', data: 'no JSON' });
  await peer.act('/notify-subscription-error');
  const { logger, data } = await me.next();
  assert.equal(logger, 'kubernetes/subscription_error');
  assert.equal(data.subscriptionId, subscriptionId);
  assert.equal(data.degraded, true);
});

test('closed streams: the session lives on', { timeout: TIMEOUT }, async (t) => {
  const peer = await start(t);
  const me = await connect(t, peer);
  await subscribe(me);
  assert.deepEqual(await peer.act('/close-streams'), { closed: 1 });
  await me.client.ping();
  await until(peer, streamOpen);
  assert.deepEqual(await peer.act('/fault'), { sent: 1 });
  await me.next();
});

test('a fault that cannot be delivered ends the subscription', { timeout: TIMEOUT }, async (t) => {
  const peer = await start(t);
  const me = await connect(t, peer, NEVER);
  await subscribe(me);
  await peer.act('/close-streams');
  assert.deepEqual(await peer.act('/fault'), { sent: 0 });
  assert.equal(objectIn(await me.call('events_list_subscriptions')).total, 0);
});

test('forgotten sessions are 404', { timeout: TIMEOUT }, async (t) => {
  const peer = await start(t);
  const me = await connect(t, peer);
  assert.deepEqual(await peer.act('/reset'), { forgotten: 1 });
  await assert.rejects(me.client.ping(), /Session not found/);
});

test('an event store fills the gap', { timeout: TIMEOUT }, async (t) => {
  const peer = await start(t, '--event-store');
  const me = await connect(t, peer);
  await subscribe(me);
  await peer.act('/fault', { context: 'first' });
  assert.equal((await me.next()).data.context, 'first');
  await peer.act('/close-streams');
  await peer.act('/fault', { context: 'second' });
  assert.equal((await me.next()).data.context, 'second');
  const { requests } = await until(peer, (state) => state.requests.some((one) => one.lastEventId));
  assert.ok(requests.some((one) => one.method === 'GET' && one.lastEventId));
});

test('plain JSON answers, no resuming, keep-alive', { timeout: TIMEOUT }, async (t) => {
  const peer = await start(t, '--json-response', '--reject-last-event-id', '--keep-alive', '20');
  const me = await connect(t, peer, NEVER);
  await subscribe(me);
  const sessionId = me.transport.sessionId;
  const headers = { accept: 'text/event-stream', 'mcp-session-id': sessionId };
  const second = await fetch(peer.url, { headers });
  assert.equal(second.status, 409);
  const resumed = await fetch(peer.url, { headers: { ...headers, 'last-event-id': '1' } });
  assert.equal(resumed.status, 400);
  const ping = await fetch(peer.url, {
    method: 'POST',
    headers: {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      'mcp-session-id': sessionId,
    },
    body: '{"jsonrpc":"2.0","id":99,"method":"ping"}',
  });
  assert.match(ping.headers.get('content-type'), /^application\/json/);
  assert.deepEqual(await ping.json(), { jsonrpc: '2.0', id: 99, result: {} });
  await peer.act('/close-streams');
  const stream = await fetch(peer.url, { headers });
  const { value } = await stream.body.getReader().read();
  assert.match(Buffer.from(value).toString(), /^:/);
});

test('requests are logged', { timeout: TIMEOUT }, async (t) => {
  const peer = await start(t);
  const me = await connect(t, peer);
  await subscribe(me);
  const { sessions, requests } = await peer.ask('GET', '/state');
  assert.equal(sessions[0].level, 'info');
  assert.equal(sessions[0].subscriptions[0].mode, 'faults');
  assert.deepEqual(requests[0].rpc, ['initialize']);
  assert.equal(requests[0].sessionId, undefined);
  const last = requests.at(-1);
  assert.deepEqual(last.tools, [{ name: 'events_subscribe', arguments: { mode: 'faults' } }]);
  assert.equal(last.sessionId, me.transport.sessionId);
  assert.equal(last.protocolVersion, '2025-11-25');
  await me.transport.terminateSession();
  assert.deepEqual((await peer.ask('GET', '/state')).sessions, []);
});

test('SIGTERM ends it', { timeout: TIMEOUT }, async (t) => {
  const peer = await start(t);
  await connect(t, peer);
  peer.child.kill('SIGTERM');
  const [code] = await once(peer.child, 'exit');
  assert.equal(code, 0);
});
