// Meets runner-ingest and runner-executor with peers, agents and files that mean harm, and prints for each
// scenario what that costs. README.md has the figures.
//
//   tests/peers/node bench/hostile.mjs build/release/bin [SCENARIO...]
//
// As root, and where /sys/fs/cgroup/memory can be written, the programs run as user 65532 within the limits of
// the base manifest's containers: "exit SIGKILL" means that one exceeded its memory.

import { Scene } from './hostile/program.mjs';
import { addresses, leases, log } from './hostile/logs_and_leases.mjs';
import { crowd, descriptors, reset, silent } from './hostile/ports.mjs';
import { drip, ids, numbers, pages, scrape, slow_scrapes, texts } from './hostile/servers.mjs';
import { beats, executors, rejections } from './hostile/peers.mjs';
import { config, retention, signals, spool, workspace } from './hostile/agents.mjs';

const scenarios = {
  log,
  leases,
  addresses,
  silent,
  descriptors,
  crowd,
  reset,
  ids,
  numbers,
  texts,
  drip,
  executors,
  scrape,
  slow_scrapes,
  pages,
  beats,
  rejections,
  signals,
  config,
  spool,
  workspace,
  retention,
};

const [binaries, ...wanted] = process.argv.slice(2);
for (const name of wanted.length ? wanted : Object.keys(scenarios)) {
  const scene = new Scene(binaries);
  try {
    console.log(`${name}: ${await scenarios[name](scene)}`);
  } catch (error) {
    console.log(`${name}: ${error.message}`);
  }
  await scene.end();
}
process.exit(0);
