// Answers GET / with its version. VERSION lies beside it; the port comes from HELLO_PORT.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const version = readFileSync(new URL('./VERSION', import.meta.url), 'utf8').trim();
const server = createServer((_request, response) => {
  // A version that ends in -bad starts, but does not work: validation has to find that out.
  const isBroken = version.endsWith('-bad');
  response.writeHead(isBroken ? 500 : 200, { 'content-type': 'text/plain', connection: 'close' });
  response.end(isBroken ? 'out of order\n' : `hello from ${version}\n`);
});
server.listen(Number(process.env.HELLO_PORT), '127.0.0.1', () => console.log(`listening, version ${version}`));
process.on('SIGTERM', () => server.close(() => process.exit(0)));
