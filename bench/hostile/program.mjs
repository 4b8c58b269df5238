// Starts the programs as the base manifest does: as user 65532, within the limits of its containers, in a
// directory of their own. Without root there are neither the user nor the limits.

import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

export const MB = 1 << 20;
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

// Resolves with the next event of this name.
export const next = (emitter, name) => new Promise((resolve) => emitter.once(name, resolve));

// Waits until `condition` returns something true, and returns that; undefined after `ms`.
export async function eventually(condition, ms = 10_000) {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(50)) {
    const value = await condition();
    if (value) return value;
  }
}

export const user = process.getuid() === 0 ? 65532 : process.getuid();
// Before a command that is to run as that user.
export const asUser =
  process.getuid() === 0 ? ['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups'] : ['env'];
const limits = { ingest: { memory: '512M', cpus: 1 }, executor: { memory: '4G', cpus: 2 } };

// Control groups (version 1) with the limits of a container; none where they cannot be made.
function controlGroups(kind, name) {
  const files = {
    memory: { 'memory.limit_in_bytes': limits[kind].memory },
    cpu: { 'cpu.cfs_quota_us': String(limits[kind].cpus * 100_000) },
  };
  const groups = [];
  for (const [controller, values] of Object.entries(files)) {
    const group = `/sys/fs/cgroup/${controller}/${name}`;
    try {
      fs.mkdirSync(group);
      groups.push(group);
      for (const [file, value] of Object.entries(values)) fs.writeFileSync(`${group}/${file}`, value);
    } catch {}
  }
  return groups;
}

let started = 0;

// A program that runs. `threads` is the most that it had.
class Program {
  threads = 0;

  constructor(kind, binary, flags, { directory, openFiles, stderr }) {
    const name = `hostile-${process.pid}-${++started}`;
    this.kind = kind;
    this.logFile = path.join(directory, `${name}.log`);
    this.groups = controlGroups(kind, name);
    const command = ['sh', '-c', 'for g in $groups; do echo $$ >$g/cgroup.procs; done; exec "$@"', 'sh'];
    if (openFiles) command.push('prlimit', `--nofile=${openFiles}:${openFiles}`);
    command.push(...asUser);
    const log = stderr ?? fs.openSync(this.logFile, 'w');
    this.child = spawn(
      command[0],
      [
        ...command.slice(1),
        binary,
        '--log-format',
        'json',
        '--grpc-listen',
        '127.0.0.1:0',
        '--metrics-port',
        '0',
        '--health-port',
        '0',
        '--bind-address',
        '127.0.0.1',
        ...flags,
      ],
      {
        cwd: directory,
        stdio: ['ignore', 'ignore', log],
        env: { PATH: process.env.PATH, groups: this.groups.join(' ') },
      },
    );
    if (stderr === undefined) fs.closeSync(log);
    this.exited = new Promise((resolve) => this.child.on('exit', (code, signal) => resolve(signal ?? code)));
    this.sampler = setInterval(() => this.#sample(), 50);
  }

  get pid() {
    return this.child.pid;
  }
  get running() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  #sample() {
    const status = this.#status();
    if (status === undefined) return;
    this.threads = Math.max(this.threads, status.Threads);
    this.resident = Math.round(status.VmRSS / 1024);
    this.peak = Math.round(status.VmHWM / 1024);
  }
  #status() {
    try {
      const text = fs.readFileSync(`/proc/${this.pid}/status`, 'utf8');
      const status = Object.fromEntries(
        [...text.matchAll(/^(\w+):\s+(\d+)/gm)].map((m) => [m[1], Number(m[2])]),
      );
      return status.VmRSS === undefined ? undefined : status;
    } catch {}
  }
  threadsNow() {
    return this.#status()?.Threads;
  }
  residentNow() {
    this.#sample();
    return this.resident;
  }

  // The lines of the log, or those with this message.
  lines(message) {
    const text = fs.readFileSync(this.logFile, 'utf8');
    const lines = text.split('\n').filter((line) => line.startsWith('{'));
    if (message === undefined) return lines;
    return lines.filter((line) => line.includes(`"msg":"${message}`)).map((line) => JSON.parse(line));
  }
  // False: the program ended before it listened.
  async listening(ms = 30_000) {
    await eventually(() => {
      this.ports = this.lines('Listening')[0];
      return this.ports || !this.running;
    }, ms);
    this.grpcPort = Number(this.ports?.grpc.split(':').pop());
    return this.ports !== undefined;
  }

  // {status, ms, bytes}; status 0 when there is no answer in time.
  get(target, { port = this.ports.health_port, host = '127.0.0.1', timeout = 20_000 } = {}) {
    const began = performance.now();
    return new Promise((resolve) => {
      let bytes = 0;
      let status = 0;
      const request = http.get({ host, port, path: target, agent: false }, (response) => {
        response.on('data', (part) => (bytes += part.length));
        response.on('end', () => (status = response.statusCode));
      });
      const timer = setTimeout(() => request.destroy(), timeout);
      request.on('error', () => {});
      request.on('close', () => {
        clearTimeout(timer);
        resolve({ status, bytes, ms: performance.now() - began });
      });
    });
  }
  async health(timeout = 2000) {
    return (await this.get('/healthz', { timeout })).status || 'no answer';
  }

  // How the program takes a SIGTERM.
  async terminate(limit = 20_000) {
    const began = performance.now();
    if (this.running) this.child.kill('SIGTERM');
    const code = await Promise.race([this.exited, sleep(limit).then(() => undefined)]);
    return code === undefined
      ? `SIGTERM without effect for ${limit / 1000} s`
      : `exit ${code} after ${seconds(began)}`;
  }
  async end() {
    if (this.ended) return;
    this.ended = true;
    clearInterval(this.sampler);
    this.child.kill('SIGCONT');
    if (this.running) this.child.kill('SIGKILL');
    await this.exited;
    await eventually(() =>
      this.groups.every((group) => {
        for (const pid of fs.readFileSync(`${group}/cgroup.procs`, 'utf8').split('\n').filter(Boolean)) {
          try {
            process.kill(Number(pid), 'SIGKILL');
          } catch {}
        }
        return fs.readFileSync(`${group}/cgroup.procs`, 'utf8') === '';
      }),
    );
    for (const group of this.groups) fs.rmdirSync(group);
  }
}

// What one scenario has started, and its directory.
export class Scene {
  programs = [];
  sockets = [];

  constructor(binaries) {
    this.binaries = path.resolve(binaries);
    this.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'hostile-'));
    this.root = path.join(this.directory, 'incidents');
    fs.chownSync(this.directory, user, user);
  }

  file(name, text) {
    const file = path.join(this.directory, name);
    fs.writeFileSync(file, text);
    fs.chownSync(file, user, user);
    return file;
  }
  async start(kind, flags, options = {}) {
    const program = new Program(kind, `${this.binaries}/runner-${kind}`, flags, {
      directory: this.directory,
      ...options,
    });
    this.programs.push(program);
    if (options.wait !== false && !(await program.listening()))
      throw new Error(`${kind} does not listen: ${fs.readFileSync(program.logFile)}`);
    return program;
  }
  // By default there is one cluster, whose server refuses.
  ingest(flags = [], { clusters: pairs = [['c0', 'http://127.0.0.1:9/mcp']], ...options } = {}) {
    const clusters = pairs.map(([name, endpoint]) => `  - {name: ${name}, endpoint: "${endpoint}"}\n`);
    const config = this.file('ingest.yaml', `clusters:\n${clusters.join('')}`);
    return this.start('ingest', ['--config', config, ...flags], options);
  }
  // The agent is a shell script.
  executor(ingest, script, flags = [], options = {}) {
    return this.start(
      'executor',
      [
        '--ingest-address',
        `127.0.0.1:${ingest.grpcPort ?? ingest}`,
        '--workspace-root',
        this.root,
        '--executor-id',
        'executor',
        '--kubeconfig-optional',
        ...flags,
        '--',
        '/bin/sh',
        '-c',
        script,
      ],
      options,
    );
  }
  async attached(executor) {
    if (!(await eventually(async () => (await executor.get('/readyz')).status === 200, 20_000)))
      throw new Error('the executor does not attach');
  }
  // Opens silent connections.
  connect(port, count, host = '127.0.0.1') {
    const opened = Array.from({ length: count }, () => net.connect({ host, port }).on('error', () => {}));
    this.sockets.push(...opened);
    return opened;
  }
  run(program, ...args) {
    return execFileSync(program, args);
  }

  async end() {
    for (const socket of this.sockets) socket.destroy();
    for (const program of this.programs.reverse()) await program.end();
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}
