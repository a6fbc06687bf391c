/**
 * What may be said when, at the client's end:
 *
 *     while    the client sends                 the server sends
 *     hello    hello -> welcome                 goodbye -> closed
 *     welcome  ping, pong, bye -> closed        ping, pong, welcome -> playing,
 *                                               goodbye -> closed
 *     playing  input, ack, resync, ping, pong,  snapshot, events, scores, geometry, ping, pong,
 *              bye -> closed                    goodbye -> closed
 *
 * Bytes in, messages out. What the server does wrong throws RemoteProtocolError with a close code,
 * and the connection is closed; what we do wrong throws LocalProtocolError and changes nothing.
 *
 * Must not know: sockets, sessions, what messages mean.
 */

import { LocalProtocolError, RemoteProtocolError } from "./errors.js";
import { decode, encode } from "./messages.js";

/** How far a connection is. */
export const State = Object.freeze({
  HELLO: "hello", // nobody has spoken
  WELCOME: "welcome", // the hello is sent, its answer is not
  PLAYING: "playing",
  CLOSED: "closed",
});

/** state -> sender -> type of message -> the state after it. */
const TABLE = {
  hello: {
    client: { hello: State.WELCOME },
    server: { goodbye: State.CLOSED },
  },
  welcome: {
    client: { ping: State.WELCOME, pong: State.WELCOME, bye: State.CLOSED },
    server: {
      ping: State.WELCOME,
      pong: State.WELCOME,
      welcome: State.PLAYING,
      goodbye: State.CLOSED,
    },
  },
  playing: {
    client: {
      input: State.PLAYING,
      ack: State.PLAYING,
      resync: State.PLAYING,
      ping: State.PLAYING,
      pong: State.PLAYING,
      bye: State.CLOSED,
    },
    server: {
      snapshot: State.PLAYING,
      events: State.PLAYING,
      scores: State.PLAYING,
      geometry: State.PLAYING,
      ping: State.PLAYING,
      pong: State.PLAYING,
      goodbye: State.CLOSED,
    },
  },
  closed: { client: {}, server: {} },
};

/** The client's end of a connection. */
export class Connection {
  constructor() {
    /** How far it is: one of State. */
    this.state = State.HELLO;
  }

  /**
   * The bytes of a message, as one binary WebSocket message. Throws LocalProtocolError if it is
   * none or may not be sent now.
   *
   * @param {import("./messages.js").ClientMessage} message
   * @returns {Uint8Array}
   */
  send(message) {
    const after = TABLE[this.state].client[message.type];
    if (after === undefined) {
      throw new LocalProtocolError(`a client sends no ${message.type} while ${this.state}`);
    }
    const data = encode(message);
    this.state = after;
    return data;
  }

  /**
   * The message in `data`, one binary WebSocket message of the server. Throws RemoteProtocolError
   * if it is none or may not be sent now; the connection is then closed.
   *
   * @param {Uint8Array} data
   * @returns {import("./messages.js").ServerMessage}
   */
  receive(data) {
    const before = this.state;
    this.state = State.CLOSED;
    const message = decode(data);
    const after = TABLE[before].server[message.type];
    if (after === undefined) {
      throw new RemoteProtocolError(`a server sends no ${message.type} while ${before}`);
    }
    this.state = after;
    return message;
  }
}
