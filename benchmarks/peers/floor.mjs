// The floor: a server that only sends. Each client gets the same bytes 20 times a second, which is
// what sockets and the WebSocket library cost when state costs nothing.
//
//   node floor.mjs --port 0 --bytes 600

import { createRequire } from "node:module";
import { WebSocketServer } from "ws";

import { numbers, serve, Window } from "./control.mjs";
import { TICK_MS } from "./rules.mjs";

const options = numbers({ port: 0, bytes: 600 });
const message = Buffer.alloc(options.bytes, 7);
const clients = new Set();
const window = new Window();

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: options.port,
  perMessageDeflate: false,
});

server.on("connection", (client) => {
  clients.add(client);
  client.on("message", () => window.received());
  client.on("close", () => clients.delete(client));
  client.on("error", () => {}); // the close that follows is all there is to know
});

server.on("listening", () => {
  setInterval(sendToAll, TICK_MS);
  const { version } = createRequire(import.meta.url)("ws/package.json");
  const state = () => ({ clients: clients.size, entities: 0, visible: 0, bytes: options.bytes });
  serve(server.address().port, `ws ${version}`, window, state);
});

function sendToAll() {
  const began = performance.now();
  for (const client of clients) client.send(message, { binary: true });
  window.ticked(began, began);
}
