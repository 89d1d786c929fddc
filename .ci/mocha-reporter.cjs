// Mocha's spec reporter, and a JSON file with the counts and the name of every skipped test, so that skips are said aloud.
const { writeFileSync } = require('node:fs');
const { reporters } = require('mocha');

module.exports = class CountingReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const counts = { passed: 0, failed: 0, skipped: 0, skips: [] };
    runner.on('pass', () => counts.passed++);
    runner.on('fail', () => counts.failed++);
    runner.on('pending', (test) => {
      counts.skipped++;
      if (counts.skips.length < 50) counts.skips.push(test.fullTitle());
    });
    runner.once('end', () => writeFileSync(options.reporterOptions.output, JSON.stringify(counts)));
  }
};
