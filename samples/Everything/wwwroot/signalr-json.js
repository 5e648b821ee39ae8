'use strict';

// The SignalR JSON hub protocol over one WebSocket: handshake, invocations, completions, pings.
// Enough for a page; an application takes the @microsoft/signalr package, which reconnects and falls back.
class JsonHub {
  static #separator = '\u001e'; // ends every message of the protocol
  #socket;
  #handlers = new Map();
  #pending = new Map();
  #lastId = 0;
  #open = false;

  constructor(path, { onOpen, onClose }) {
    const url = new URL(path, location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    this.#socket = new WebSocket(url); // no negotiation request: allowed when WebSockets are the only transport
    this.#socket.onopen = () => this.#write({ protocol: 'json', version: 1 });
    this.#socket.onclose = onClose;
    this.#socket.onmessage = event => {
      for (const text of event.data.split(JsonHub.#separator).filter(text => text)) {
        const message = JSON.parse(text);
        if (!this.#open) {
          this.#open = !message.error;
          if (this.#open) onOpen(); else this.#socket.close();
        } else if (message.type === 1) {
          this.#handlers.get(message.target)?.(...message.arguments);
        } else if (message.type === 3) {
          const { resolve, reject } = this.#pending.get(message.invocationId);
          this.#pending.delete(message.invocationId);
          if (message.error) reject(new Error(message.error)); else resolve(message.result);
        } else if (message.type === 6) {
          this.#write({ type: 6 });
        }
      }
    };
  }

  on(target, handler) {
    this.#handlers.set(target, handler);
  }

  invoke(target, ...args) {
    const invocationId = String(++this.#lastId);
    this.#write({ type: 1, invocationId, target, arguments: args });
    return new Promise((resolve, reject) => this.#pending.set(invocationId, { resolve, reject }));
  }

  #write(message) {
    this.#socket.send(JSON.stringify(message) + JsonHub.#separator);
  }
}
