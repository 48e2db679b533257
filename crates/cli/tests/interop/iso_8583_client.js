// A terminal made of iso_8583 and nothing of ours: characters, binary bitmap, two bytes of length.
//
// Asks one thing after the other and prints one JSON line for each answer.
// Usage: node iso_8583_client.js MODULES PORT TERMINAL MERCHANT PAN EXPIRY
const net = require("net");
const path = require("path");
const [modules, port, terminal, merchant, pan, expiry] = process.argv.slice(2);
const Iso = require(path.join(modules, "iso_8583"));

const acceptor = { 41: terminal, 42: merchant.padEnd(15) };
const card = { 2: pan, 14: expiry, 22: "012", 25: "00", 49: "156" };
const moment = (stan) => ({ 7: "1118" + String(110000 + stan), 11: String(stan).padStart(6, "0"), 12: "190640", 13: "1118" });
const money = (code, fen) => ({ 3: code, 4: String(fen).padStart(12, "0") });
const sale = (stan, fen) => ({ 0: "0200", ...money("000000", fen), ...moment(stan), ...card, ...acceptor });
const naming = (mti, stan) => ({ 90: mti + String(stan).padStart(6, "0") + "1118" + String(110000 + stan) + "0".repeat(22) });

const asks = [
  { 0: "0800", ...moment(1), 70: "301", ...acceptor },
  sale(10, 2500),
  { ...sale(10, 2500), 0: "0201" },
  { ...sale(11, 1200), 3: "200000", ...naming("0200", 10), 4: "000000001000" },
  { ...sale(12, 700) },
  { 0: "0400", ...money("000000", 700), ...moment(13), ...card, 39: "68", ...acceptor, ...naming("0200", 12) },
  { 0: "0420", ...money("000000", 700), ...moment(14), ...card, 39: "68", ...acceptor, ...naming("0200", 12) },
  { ...sale(15, 900) },
  { 0: "0200", ...money("020000", 900), ...moment(16), ...card, ...acceptor, ...naming("0200", 15) },
  { 0: "0200", ...money("310000", 0), ...moment(17), ...card, ...acceptor },
  { 0: "0500", ...moment(18), ...acceptor, 74: "0000000002", 75: "0000000000", 76: "0000000002", 77: "0000000000", 86: "0000000000001900", 87: "0000000000000000", 88: "0000000000003400", 89: "0000000000000000" },
];

const socket = net.connect(Number(port), "127.0.0.1");
let buffer = Buffer.alloc(0);
let next = 0;
const ask = () => {
  if (next === asks.length) return socket.end();
  const bytes = new Iso(asks[next++]).getBufferMessage();
  if (!Buffer.isBuffer(bytes)) throw new Error(JSON.stringify(bytes));
  socket.write(bytes);
};
socket.on("connect", ask);
socket.on("data", (chunk) => {
  buffer = Buffer.concat([buffer, chunk]);
  while (buffer.length >= 2 && buffer.length >= 2 + buffer.readUInt16BE(0)) {
    const end = 2 + buffer.readUInt16BE(0);
    console.log(JSON.stringify(new Iso().getIsoJSON(buffer.subarray(0, end))));
    buffer = buffer.subarray(end);
    ask();
  }
});
