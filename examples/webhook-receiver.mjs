// A receiver of triggers' messages: checks the signature, drops repeats, prints what happened. docs/triggers.md tells the rest.
// Usage: node examples/webhook-receiver.mjs SECRET-FILE [PORT]
import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [, , secretFile, port = '8090'] = process.argv;
if (secretFile === undefined) {
  console.error('usage: node webhook-receiver.mjs SECRET-FILE [PORT]');
  process.exit(2);
}
const secret = readFileSync(secretFile, 'utf8').trim();
const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret, 'utf8');
const MAX_AGE_SECONDS = 300;
const MAX_BODY_BYTES = 262_144;
const REMEMBERED = 10_000;
const seen = new Set();

function isGenuine(headers, body) {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures = '' } = headers;
  // An old message that somebody recorded is worth nothing.
  if (Math.abs(Date.now() / 1_000 - Number(timestamp)) > MAX_AGE_SECONDS) return false;
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest();
  return signatures.split(' ').some((signature) => {
    const given = Buffer.from(signature.replace(/^v1,/, ''), 'base64');
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}

const server = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) {
    body += chunk;
    if (body.length > MAX_BODY_BYTES) return response.writeHead(413).end();
  }
  if (!isGenuine(request.headers, body)) return response.writeHead(401).end();
  const id = request.headers['webhook-id'];
  if (!seen.has(id)) {
    seen.add(id);
    if (seen.size > REMEMBERED) seen.delete(seen.values().next().value);
    const message = JSON.parse(body);
    const what = message.instanceId ?? `${message.applicationName}/${message.deploymentGroupName}`;
    console.log(`${request.headers['drover-event']} ${message.deploymentId} ${what}`);
  }
  response.writeHead(204).end();
});
server.listen(Number(port), '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
