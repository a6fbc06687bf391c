/**
 * Blame is in the type: LocalProtocolError is our own doing, RemoteProtocolError the peer's.
 *
 * Close codes are those that a WebSocket is closed with; `protocol/SPEC.md` tells clients what to
 * do on each.
 */

/** Why a link ends. */
export const CloseCode = Object.freeze({
  LEAVING: 1001,
  LOST: 1006, // from the client's own WebSocket, never in a Goodbye
  POLICY: 1008,
  TOO_BIG: 1009,
  CRASH: 1011,
  RESTART: 1012,
  FULL: 1013,
  BAD_MESSAGE: 4400,
  AUTH: 4401,
  KICKED: 4403,
  HELLO_TIMEOUT: 4408,
  TAKEN_OVER: 4409,
  VERSION: 4426,
  RATE: 4429,
});

/** Somebody broke the protocol. */
export class ProtocolError extends Error {
  get name() {
    return this.constructor.name;
  }
}

/** We tried to send what the protocol forbids: a bug on this side. */
export class LocalProtocolError extends ProtocolError {}

/** The peer sent what the protocol forbids; `code` is what to close the link with. */
export class RemoteProtocolError extends ProtocolError {
  /**
   * @param {string} reason
   * @param {number} [code] one of CloseCode
   */
  constructor(reason, code = CloseCode.BAD_MESSAGE) {
    super(reason);
    this.code = code;
  }
}
