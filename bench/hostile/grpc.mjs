// As much of gRPC as the scenarios need: calls, and both ends of the stream between ingest and an executor.

import http2 from 'node:http2';
import { randomUUID } from 'node:crypto';
import { eventually } from './program.mjs';

// A message as [[field, value], ...]: a number is a varint, a string or a Buffer has a length, an array
// is a message.
export function encode(fields) {
  const parts = [];
  const varint = (value) => {
    const bytes = [];
    for (let rest = BigInt(value); ; rest >>= 7n) {
      if (rest < 128n) return parts.push(Buffer.from([...bytes, Number(rest)]));
      bytes.push(Number(rest & 127n) | 128);
    }
  };
  for (const [field, value] of fields) {
    if (typeof value === 'number') {
      varint(field << 3);
      varint(value);
      continue;
    }
    const bytes = Array.isArray(value) ? encode(value) : Buffer.from(value);
    varint((field << 3) | 2);
    varint(bytes.length);
    parts.push(bytes);
  }
  return Buffer.concat(parts);
}

// {field: [value, ...]}: numbers and Buffers.
export function decode(buffer) {
  const fields = {};
  let at = 0;
  const varint = () => {
    for (let value = 0, factor = 1; ; factor *= 128) {
      const byte = buffer[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < buffer.length) {
    const key = varint();
    const size = { 1: 8, 5: 4 }[key & 7];
    let value;
    if ((key & 7) === 0) {
      value = varint();
    } else {
      const length = size ?? varint();
      value = buffer.subarray(at, (at += length));
    }
    (fields[key >> 3] ??= []).push(value);
  }
  return fields;
}
const text = (values) => values?.[0].toString() ?? '';

const frame = (message) => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

// Calls `on` with each message of the stream.
function readMessages(stream, on) {
  let rest = Buffer.alloc(0);
  stream.on('data', (part) => {
    rest = rest.length ? Buffer.concat([rest, part]) : part;
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const end = 5 + rest.readUInt32BE(1);
      on(rest.subarray(5, end));
      rest = rest.subarray(end);
    }
  });
}

function open(port, method) {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  const stream = session.request({ ':method': 'POST', ':path': `/runner.v1.${method}`,
    'content-type': 'application/grpc', te: 'trailers' });
  stream.on('error', () => {});
  return { session, stream };
}

// {status, message, bytes}: the status of gRPC (-1: no answer in time), and the answer.
export function call(port, method, request = [], timeout = 10_000) {
  const { session, stream } = open(port, method);
  return new Promise((resolve) => {
    let answer;
    let status = -1;
    const end = () => {
      session.destroy();
      clearTimeout(timer);
      resolve({ status, message: answer && decode(answer), bytes: answer?.length ?? 0 });
    };
    const timer = setTimeout(end, timeout);
    session.on('error', end);
    stream.on('response', (headers) => (status = Number(headers['grpc-status'] ?? status)));
    stream.on('trailers', (headers) => (status = Number(headers['grpc-status'])));
    readMessages(stream, (message) => (answer = message));
    stream.on('close', end);
    stream.end(frame(encode(request)));
  });
}

// Submits an event, and returns the id of its incident.
export async function submit(ingest, name, context = '') {
  const answer = await call(ingest.grpcPort, 'IngestAdmin/SubmitEvent', [[1, 'c0'], [3, 'CrashLoop'], [4, 'error'],
    [5, [[2, 'Pod'], [3, name], [4, 'default']]], [6, context]]);
  return text(answer.message?.[3]);
}
// {state, status, reason, attempt}
export async function incident(ingest, id) {
  const answer = await call(ingest.grpcPort, 'IngestAdmin/GetIncident', [[1, id]]);
  const fields = decode(answer.message?.[1]?.[0] ?? Buffer.alloc(0));
  return { state: text(fields[2]), status: text(fields[3]), reason: text(fields[4]), attempt: fields[5]?.[0] };
}
export const inState = (ingest, id, state, ms) =>
  eventually(async () => {
    const found = await incident(ingest, id);
    return found.state === state && found;
  }, ms);

// Whether ingest has its one executor attached.
export async function executorAttached(ingest) {
  const answer = await call(ingest.grpcPort, 'IngestAdmin/GetStatus');
  return answer.status !== 0 || decode(answer.message[5]?.[0] ?? Buffer.alloc(0))[3]?.[0] === 1;
}

// An executor by hand.
export class RogueExecutor {
  offers = 0;
  credits = 0;
  closed = false;

  constructor(ingest, { slots = 5, onOffer, reads = true }) {
    Object.assign(this, open(ingest.grpcPort, 'Dispatcher/Attach'), { slots });
    this.stream.on('close', () => (this.closed = true));
    this.session.on('close', () => (this.closed = true));
    this.send([[1, [[1, 'rogue'], [2, randomUUID()], [3, '0'], [4, slots], [5, 1], [6, [[1, 10]]]]]]);
    if (!reads) return void this.grant(slots);
    readMessages(this.stream, (bytes) => {
      const message = decode(bytes);
      if (message[1]) this.grant(slots);
      if (!message[2]) return;
      ++this.offers;
      onOffer?.(this, decode(message[2][0])[1][0]);
    });
  }
  // False when the stream takes no more at the moment.
  send(message) { return !this.closed && this.stream.write(frame(encode(message))); }
  grant(more) { this.send([[2, [[1, (this.credits += more)]]]]); }
  end() { this.session.destroy(); }
}

// An ingest by hand, which answers Hello with `welcome` and reads on if it `reads`.
export function rogueIngest(welcome, reads) {
  const server = http2.createServer();
  const sessions = new Set();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
  });
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    stream.once('readable', () => {
      stream.write(frame(encode([[1, welcome]])));
      ++server.attachments;
      if (reads) stream.resume();
    });
  });
  server.attachments = 0;
  server.end = () => {
    for (const session of sessions) session.destroy();
    server.close();
  };
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}
