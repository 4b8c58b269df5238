// The released kubernetes-mcp-server on kubernetes-api.mjs, and fault-server.mjs compared with it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/observations';

import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

import { connect, connectBy, initialize, post, start, startPeer, TIMEOUT } from './peer-client.mjs';

const ARCH = { x64: 'amd64', arm64: 'arm64' }[process.arch];

function binary(version) {
  const program = `kubernetes-mcp-server-linux-${ARCH}`;
  const alias = program.replace('server', `server-${version.split('.')[2]}`);
  return new URL(`node_modules/${alias}/bin/${program}`, import.meta.url).pathname;
}

// npm leaves out what does not run on this machine.
const options = (...versions) => ({
  timeout: TIMEOUT,
  skip: versions.every((version) => existsSync(binary(version))) ? false : 'the binary is missing',
});

async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const kubeconfig = (server) => `apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "${server}"}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
current-context: test
users: [{name: test, user: {}}]
`;

async function startServer(t, version, api) {
  const directory = mkdtempSync(path.join(tmpdir(), 'peers-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = path.join(directory, 'kubeconfig');
  writeFileSync(file, kubeconfig(api.origin));
  const port = await freePort();
  const flags = ['--port', String(port), '--bind-address', '127.0.0.1', '--kubeconfig', file];
  const child = spawn(binary(version), [...flags, '--read-only'], { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  const origin = `http://127.0.0.1:${port}`;
  for (;;) {
    try {
      await fetch(`${origin}/healthz`);
      return origin;
    } catch {
      assert.equal(child.exitCode, null);
      await sleep(20);
    }
  }
}

for (const version of ['0.0.66', '0.0.67']) {
  test(`kubernetes-mcp-server ${version}`, options(version), async (t) => {
    const api = await startPeer(t, './kubernetes-api.mjs');
    const origin = await startServer(t, version, api);
    const me = await connectBy(t, new StreamableHTTPClientTransport(new URL('/mcp', origin)));
    assert.equal(me.client.getServerVersion().version, `v${version}`);
    assert.equal(await me.call('events_list'), '# No events found');

    await api.act('/event', { involvedObject: { name: 'pod-1' } });
    const other = { type: 'Normal', metadata: { namespace: 'other' } };
    assert.deepEqual(await api.act('/event', other), { events: 2 });
    const warnings = await me.call('events_list', { fieldSelector: 'type=Warning' });
    assert.match(warnings, /^ {4}Name: pod-1\n[^]*: Warning\n$/m);
    assert.doesNotMatch(warnings, /Normal/);
    assert.match(await me.call('events_list', { namespace: 'other' }), /^ {2}Type: Normal\n$/m);
    const { requests } = await api.ask('GET', '/state');
    assert.deepEqual(
      requests.map((one) => one.path).filter((one) => one.includes('/events')),
      [
        '/api/v1/events',
        '/api/v1/events?fieldSelector=type%3DWarning',
        '/api/v1/namespaces/other/events',
      ],
    );
  });
}

test('the transport of 2024-11-05 is in 0.0.66 only', options('0.0.66', '0.0.67'), async (t) => {
  const api = await startPeer(t, './kubernetes-api.mjs');
  const old = new URL('/sse', await startServer(t, '0.0.66', api));
  assert.equal((await post(old, initialize)).status, 400);
  const me = await connectBy(t, new SSEClientTransport(old));
  assert.equal(await me.call('events_list'), '# No events found');
  const now = new URL('/sse', await startServer(t, '0.0.67', api));
  assert.equal((await post(now, initialize)).status, 404);
  assert.equal((await fetch(now)).status, 404);
});

// One for each thing that YAML does to text.
const MESSAGES = [
  'plain text, (with) "quotes" and a\\backslash',
  'failed: exit 1',
  "it's: two",
  '- dash',
  '-dash',
  'a #comment',
  '[x]',
  '---',
  '',
  ' \n trimmed \n',
  'true',
  'No',
  '~',
  '123',
  '1_000',
  '1e3',
  '.5',
  '0x1f',
  '12:30:45',
  '2026-01-02',
  '2026-11-25T10:00:00Z',
  'two\nlines',
  'two\n  lines\n\nand: one',
  'space before \na line',
  'tab\there',
  'carriage\r\nreturn',
  '\u001b[31mred\u001b[0m \u0000\u0001',
  'umlaut äöü € \u00a0.',
  'emoji \u{1f600} "quoted"',
  'separator\u2028x',
  'mark \ufeff.',
  'long '.repeat(60),
  'long: '.repeat(60),
  `\t"${'long  '.repeat(60)}"`,
  'x'.repeat(300),
  `${'é'.repeat(100)} ${'é'.repeat(100)}`,
  `${'long '.repeat(30)}\n${'long '.repeat(30)}`,
];

test('fault-server answers events_list as the real one does', options('0.0.67'), async (t) => {
  const api = await startPeer(t, './kubernetes-api.mjs');
  const origin = await startServer(t, '0.0.67', api);
  const real = await connectBy(t, new StreamableHTTPClientTransport(new URL('/mcp', origin)));
  const peer = await start(t);
  const ours = await connect(t, peer);
  const list = async (message, name, timestamp) => {
    await api.act('/event', { message, involvedObject: { name }, eventTime: timestamp });
    await peer.act('/list-event', { message, name, timestamp });
  };
  for (const [index, message] of MESSAGES.entries()) {
    await list(message, `pod-${index}`, '2026-11-25T16:48:44.000000Z');
  }
  await list('fraction', 'true', '2026-11-25T16:48:44.120000Z');
  assert.equal(await ours.call('events_list'), await real.call('events_list'));

  await list('delete \u007f', 'pod', '2026-11-25T16:48:44.000000Z');
  await assert.rejects(real.call('events_list'), /control characters are not allowed/);
  await assert.rejects(ours.call('events_list'), /control characters are not allowed/);
});
