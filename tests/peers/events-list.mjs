// Events that the control side has listed, and what kubernetes-mcp-server's tool events_list answers
// about them: YAML behind a comment, without uid and resource version.
import { selects } from './field-selector.mjs';
import { scalar } from './go-yaml.mjs';

// What Go's JSON does not escape and its YAML does not bear: one in one event fails the whole answer.
const UNBEARABLE = /[\u007f-\u0084\u0086-\u009f\ufffe\uffff]/u;

// As Go prints a time.
function goTime(timestamp) {
  const [, date, time, fraction = ''] =
    /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?Z$/.exec(timestamp) ?? [];
  if (date === undefined) throw new Error(`not a time in UTC: ${timestamp}`);
  return `${date} ${time}${fraction.replace(/\.?0+$/, '')} +0000 UTC`;
}

function entry({ involvedObject, message, metadata, reason, timestamp, type }) {
  const line = (indent, key, text) => {
    const head = `${' '.repeat(indent)}${key}: `;
    return head + scalar(text, head.length, indent + 2);
  };
  return [
    '- InvolvedObject:',
    line(4, 'Kind', involvedObject.kind),
    line(4, 'Name', involvedObject.name),
    line(4, 'apiVersion', involvedObject.apiVersion),
    line(2, 'Message', message.trim()),
    line(2, 'Namespace', metadata.namespace),
    line(2, 'Reason', reason),
    line(2, 'Timestamp', goTime(timestamp)),
    line(2, 'Type', type),
    '',
  ].join('\n');
}

export class EventsList {
  #events = [];
  #sign; // before the sentence that precedes the list; v0.0.18 to v0.0.52 write none

  constructor(plain = false) {
    this.#sign = plain ? '' : '# ';
  }

  get size() {
    return this.#events.length;
  }

  // `given` over an event that would do.
  add(given) {
    this.#events.push({
      involvedObject: {
        apiVersion: given.apiVersion ?? 'v1',
        kind: given.kind ?? 'Pod',
        name: given.name ?? 'checkout-7c9d8b6f4-x2k9p',
      },
      message: given.message ?? 'Back-off restarting failed container',
      metadata: { namespace: given.namespace ?? 'shop' },
      reason: given.reason ?? 'BackOff',
      timestamp: given.timestamp ?? new Date().toISOString().replace(/\.\d+/, ''),
      type: given.type ?? 'Warning',
    });
  }

  // Throws when the real server would answer with an error.
  text({ namespace = '', fieldSelector = '' }) {
    const found = this.#events.filter(
      (one) =>
        (namespace === '' || one.metadata.namespace === namespace) && selects(fieldSelector, one),
    );
    if (found.length === 0) return `${this.#sign}No events found`;
    if (UNBEARABLE.test(JSON.stringify(found))) {
      throw new Error(
        'failed to list events in all namespaces: yaml: control characters are not allowed',
      );
    }
    return `${this.#sign}The following events (YAML format) were found:\n${found.map(entry).join('')}`;
  }
}
