// The limit of an idle agent: nothing but Node and an open WebSocket that says as much as an agent does.
import { WebSocket } from 'ws';

const [url, intervalMs] = process.argv.slice(2);
const socket = new WebSocket(url, { perMessageDeflate: false });
socket.on('message', () => {});
socket.on('open', () => {
  process.stdout.write('open\n');
  setInterval(
    () => socket.send(JSON.stringify({ kind: 'heartbeat', at: Date.now(), load1: 0.25 })),
    Number(intervalMs),
  );
});
