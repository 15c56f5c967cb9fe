// usage: hooks.js DIR WORKSPACE BUILD: the scenes of real_vscode.sh. Prints "ok what" and "not ok what".
'use strict';
const fs = require('fs');
const path = require('path');
const { spawnSync } = require('child_process');
const { Session, sleep } = require('./lib.js');

const [dir, ws, build] = process.argv.slice(2);
const only = process.env.SCENES ? process.env.SCENES.split(',') : null;
const check = (what, good, more) => { console.log(`${good ? 'ok' : 'not ok'} ${what}`); if (!good && more !== undefined) console.log('  ' + JSON.stringify(more).slice(0, 900)); };
const how = s => fs.writeFileSync(path.join(dir, 'how'), s + '\n');
const run = (prog, ...args) => spawnSync(path.join(build, prog), ['--workspace', ws, ...args], { encoding: 'buffer' });
const status = () => { try { return JSON.parse(run('snapd', '--status', '--json').stdout.toString()); } catch (e) { return {}; } };
const daemon = () => (status().daemon || {}).pid;
const unsaved = () => run('recover', 'unsaved', '--json').stdout.toString().split('\n').filter(Boolean).map(l => JSON.parse(l));
const text = id => run('recover', 'unsaved', 'cat', id).stdout;
const until = async (f, ms) => { const end = Date.now() + ms; let v; while (!(v = f()) && Date.now() < end) await sleep(200); return v; };

// The gate ended, by what its terminal says; then a launch would have begun soon after.
async function refused(s) {
  await s.debug('app', 3000);
  const u = await s.settle(60000, x => x.debugging || x.dialog || /exit code|failed to launch|not exist/i.test(x.terminalText));
  await sleep(5000);
  return Object.assign(u, await s.ui());
}

async function gate(s) {
  how('pass');
  let u = await s.debug('app', 90000);
  check('allowed: the launch starts', u.outcome === 'started', u);
  await s.stopDebug();
  how('refuse');
  u = await refused(s);
  check('refused: it does not start', !u.debugging, u);
  check('and nobody is asked whether to start it anyway', !u.dialog, u.dialog);
  check('the terminal says why', /refused|no room|needs|MiB|TiB/i.test(u.terminalText), u.terminalText);
  for (const sig of ['KILL', 'SEGV', 'TERM']) {
    how(sig);
    u = await refused(s);
    check(`a gate killed by ${sig} refuses`, !u.debugging, u);
  }
  fs.unlinkSync(path.join(dir, 'bin/detect'));
  u = await refused(s);
  check('a gate that is not there refuses', !u.debugging, u);
  fs.copyFileSync(path.join(dir, 'keep/detect'), path.join(dir, 'bin/detect'));
  how('pass');
  u = await s.debug('app', 90000);
  check('and allows again', u.outcome === 'started', u);
  await s.stopDebug();
}

async function start(s) {
  check('opening the folder starts the daemon', await until(daemon, 20000));
  run('snapd', '--stop');
  await s.task('holdfast: start protection', 8000);
  const pid = await until(daemon, 15000);
  check('so does the task', pid);
  await s.task('holdfast: start protection', 8000);
  check('again: it is the same one', daemon() === pid, [daemon(), pid]);
  s.kill('server');
  await sleep(15000);
  check('it is there 15 s after the server was killed', daemon() === pid, [daemon(), pid]);
}

async function typed(s, port, what, kill, line) {
  await s.type('train.py', line);
  await until(() => unsaved().some(v => v.path === 'train.py' && text(v.id).toString().includes(line.trim())), 60000);
  const before = fs.readFileSync(path.join(ws, 'train.py'));
  kill();
  await sleep(500);
  const it = unsaved().find(v => v.path === 'train.py');
  check(`${what}: the text is found`, it, unsaved());
  if (!it) return;
  const body = text(it.id);
  check(`${what}: byte by byte`, body.toString().includes(line.trim()), body.toString());
  const side = path.join(ws, `train.unsaved-${it.id}.py`);
  fs.rmSync(side, { force: true });
  run('recover', 'unsaved', 'restore', it.id);
  check(`${what}: and restored`, fs.existsSync(side) && fs.readFileSync(side).equals(body));
  check(`${what}: the file is as it was`, fs.readFileSync(path.join(ws, 'train.py')).equals(before));
  const diff = run('recover', 'unsaved', 'diff', it.id).stdout.toString();
  check(`${what}: the difference is shown`, diff.includes('+' + line.trim()), diff);
}

async function main() {
  const home = process.env.HOME;
  const port = 20000 + process.pid % 20000;
  how('pass');
  const env = { PATH: `${dir}/bin:/usr/local/bin:/usr/bin:/bin` };
  const opts = { prefix: process.env.CS_PREFIX, workspace: ws, home, port, env };
  let s = new Session(opts);
  try {
    await s.open();
    if (!only || only.includes('gate')) await gate(s);
    if (!only || only.includes('start')) await start(s);
    await s.stop();
    s = new Session(opts);
    await s.open();
    await typed(s, port, 'server killed', () => s.kill('server'), 'one = "server"\n');
    await s.stop();
    s = new Session(opts);
    await s.open();
    await typed(s, port, 'browser killed', () => { s.kill('browser'); s.ctx = s.page = null; }, 'two = "browser"\n');
    await s.stop();
    s = new Session(Object.assign({}, opts, { port: port + 1 }));
    await s.open();
    check('on another port the editor knows nothing of it', !(await s.ui()).editors.some(e => e.dirty));
    check('recover does', unsaved().some(v => v.path === 'train.py'), unsaved());
    await s.untitled('nowhere but here');
    await typed(s, port, 'both killed', () => { s.kill('server'); s.kill('browser'); s.ctx = s.page = null; }, 'three = "both"\n');
    const u = unsaved().find(v => v.untitled && text(v.id).toString() === 'nowhere but here');
    check('a buffer without a file, on another port: found', u, unsaved());
  } catch (e) {
    console.log('not ok ' + String(e && e.message).slice(0, 300));
  }
  await s.stop();
  process.exit(0);
}
main();
