// What npm's eventsource-parser makes of event streams, for the SSE parser to be compared with.
//
//     node eventsource-oracle.mjs SEED
//
// Reads batches from stdin until it ends and answers each on stdout. Both ways a batch is its length
// in bytes and then its items, an item its length and its bytes; lengths are four bytes, little-endian.
// An item in is a stream. An item out is a letter that says what was normalised, 'a' plus a sum of
// the numbers below, and what was read: E TYPE ID DATA for an event and R MILLISECONDS for a retry
// in their order, then C and the number of comments, I and the last event id; texts as LENGTH:BYTES.
//
// Every byte is one character (Latin-1): the grammar is ASCII, so no text is lost or merged.
//
// Where eventsource-parser 3.1 and WHATWG HTML, section 9.2.6, part, and what is done about it:
//
//  1  "If the field name is "id" ... set the last event ID buffer": the buffer outlives an event, also
//     one without data, which "set[s] the last event ID string" and is not dispatched. The package
//     reports the id of an event only with the event that holds it. Ids are carried on here; those
//     of blocks without data are found by looking at the lines.
//  2  "one leading U+FEFF BYTE ORDER MARK character must be ignored": the package looks for it in
//     its first chunk only, so a cut inside of it, or before it, is moved behind it.
//  4  "lines must be separated by ... a single U+000D CARRIAGE RETURN (CR) character": the package
//     holds a line that ends a chunk with CR back until a later line ends. When none does, a cut behind
//     that CR is moved on by one character; at the end of the stream LF is added, which makes CRLF
//     of it and no new line.
//  8  "interpret the field value as an integer in base ten": the package's is a double. What is above
//     Number.MAX_SAFE_INTEGER is reported as "large".
import { readSync, writeSync } from 'node:fs';

import { createParser } from 'eventsource-parser';

const ID_WITHOUT_DATA = 1;
const MARK_CUT = 2;
const LAST_CR = 4;
const LARGE_RETRY = 8;
const MARK = '\u00EF\u00BB\u00BF';

// Mulberry32.
let state = Number(BigInt(process.argv[2] ?? 0) & 0xffffffffn);
function below(bound) {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
}

// The ids of blocks that hold no data: before which event, and what.
function idsWithoutData(text) {
  const found = [];
  const lines = (text.startsWith(MARK) ? text.slice(MARK.length) : text).split(/\r\n|\r|\n/);
  lines.pop(); // unfinished
  let events = 0;
  let hasData = false;
  let id;
  for (const line of lines) {
    if (line === '') {
      if (!hasData && id !== undefined) found.push([events, id]);
      if (hasData) ++events;
      hasData = false;
      id = undefined;
      continue;
    }
    const [name] = line.split(':', 1);
    if (name === 'data') hasData = true;
    if (name !== 'id') continue;
    const value = line.slice(3).replace(/^ /, '');
    if (!value.includes('\0')) id = value;
  }
  return found;
}

// In pieces; a cut that the package does not bear is moved.
function cut(text, normalised) {
  const lastEnd = Math.max(text.lastIndexOf('\r'), text.lastIndexOf('\n'));
  const unbearable = text[lastEnd] === '\r' ? lastEnd + 1 : -1;
  const chunks = [];
  const longest = [1, 3, 10, 200][below(4)];
  for (let from = 0; from < text.length; ) {
    let to = Math.min(from + below(longest + 1), text.length);
    if (from === 0 && to < MARK.length && text.startsWith(MARK)) {
      to = MARK.length;
      normalised.sum |= MARK_CUT;
    }
    if (to === unbearable && to < text.length) {
      ++to;
      normalised.sum |= LAST_CR;
    }
    chunks.push(text.slice(from, to));
    from = to;
  }
  if (text.endsWith('\r')) {
    chunks.push('\n');
    normalised.sum |= LAST_CR;
  }
  return chunks;
}

const counted = (text) => `${text.length}:${text}`;

function interpret(text) {
  const normalised = { sum: 0 };
  const skipped = text.includes('id') ? idsWithoutData(text) : [];
  if (skipped.length > 0) normalised.sum |= ID_WITHOUT_DATA;
  let log = '';
  let events = 0;
  let comments = 0;
  let lastId = '';
  const carryIds = () => {
    while (skipped.length > 0 && skipped[0][0] <= events) lastId = skipped.shift()[1];
  };
  const parser = createParser({
    onEvent({ id, event, data }) {
      carryIds();
      lastId = id ?? lastId;
      ++events;
      log += `E${counted(event ?? '')}${counted(lastId)}${counted(data)}`;
    },
    onRetry(delay) {
      const large = delay > Number.MAX_SAFE_INTEGER;
      if (large) normalised.sum |= LARGE_RETRY;
      log += `R${large ? 'large' : delay}`;
    },
    onComment() {
      ++comments;
    },
  });
  for (const chunk of cut(text, normalised)) parser.feed(chunk);
  carryIds();
  const letter = String.fromCharCode('a'.charCodeAt(0) + normalised.sum);
  return `${letter}${log}C${comments}I${counted(lastId)}`;
}

// False at the end of stdin.
function fill(buffer) {
  for (let at = 0; at < buffer.length; ) {
    const got = readSync(0, buffer, at, buffer.length - at);
    if (got === 0) return false;
    at += got;
  }
  return true;
}

function size(length) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(length);
  return bytes;
}

const length = Buffer.alloc(4);
while (fill(length)) {
  const batch = Buffer.alloc(length.readUInt32LE());
  if (!fill(batch)) break;
  const answers = [];
  for (let at = 0; at < batch.length; ) {
    const end = at + 4 + batch.readUInt32LE(at);
    const answer = Buffer.from(interpret(batch.toString('latin1', at + 4, end)), 'latin1');
    answers.push(size(answer.length), answer);
    at = end;
  }
  const body = Buffer.concat(answers);
  const frame = Buffer.concat([size(body.length), body]);
  for (let at = 0; at < frame.length; ) at += writeSync(1, frame, at);
}
