#!/bin/sh
# ValidateService: asks the service for the version that was just installed.
set -eu
. "$(dirname "$0")/common.sh"
note
exec "$node" --input-type=module -e '
const [url, version] = process.argv.slice(1);
let last = "no answer";
for (let i = 0; i < 40; i++) {
  try {
    const answer = await fetch(url);
    const text = (await answer.text()).trim();
    last = `${answer.status} ${text}`;
    if (answer.status === 200 && text === `hello from ${version}`) { console.log(last); process.exit(0); }
    if (answer.status >= 500) break;
  } catch (error) { last = error.cause?.code ?? error.message; }
  await new Promise((resolve) => setTimeout(resolve, 50));
}
console.error(`expected version ${version} at ${url}, got: ${last}`);
process.exit(1);
' "http://127.0.0.1:$HELLO_PORT/" "$(cat "$home/VERSION")"
