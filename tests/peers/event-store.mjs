// What an MCP server keeps so that a client can resume a stream: every event in order, with an id
// that names its stream. Bounded; the oldest go.
const LIMIT = 10_000;

export class EventStore {
  #events = [];
  #next = 1;

  async storeEvent(streamId, message) {
    const id = `${streamId}/${this.#next++}`;
    this.#events.push({ id, streamId, message });
    if (this.#events.length > LIMIT) this.#events.shift();
    return id;
  }

  async getStreamIdForEventId(id) {
    return this.#events.find((event) => event.id === id)?.streamId;
  }

  async replayEventsAfter(lastId, { send }) {
    const from = this.#events.findIndex((event) => event.id === lastId);
    if (from < 0) return '';
    const { streamId } = this.#events[from];
    for (const event of this.#events.slice(from + 1)) {
      // An empty message only told the client an id.
      const real = Object.keys(event.message).length > 0;
      if (event.streamId === streamId && real) await send(event.id, event.message);
    }
    return streamId;
  }
}
