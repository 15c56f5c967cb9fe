#!/bin/sh
# ci: yes
# An editor killed at the moment it writes its backup, 200 times: the last complete version is always there. The writer does
# what VSCode does: truncate, then write in chunks of 262144 bytes.
. "$(dirname "$0")/snapd/lib.sh"
export HOLDFAST_STORE=$s
W=$(printf %s "$w" | md5sum | cut -c1-32)
mkdir -p "$HOME/.config/Code/Backups/$W/file"
start || exit 1
python3 -B - "$build" "$w" "$HOME/.config/Code/Backups/$W/file/-1" "${TRIES:-200}" "${SEED:-1}" <<'PY'
import os, random, signal, subprocess, sys, time
build, w, backup, tries, seed = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
rnd = random.Random(seed)
print('seed', seed)
CHUNK = 262144
head = ('file://%s/big.txt {"mtime":1,"size":1,"orphaned":false,"typeId":""}\n' % w).encode()
lines = [b'line %d of a text that somebody types\n' % i for i in range(60000)]


def text(n):
    lines[rnd.randrange(len(lines))] = b'edit %d %d\n' % (n, rnd.randrange(10**6))
    return b''.join(lines)


def write(body):
    fd = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    data = head + body[:CHUNK]
    os.write(fd, data)
    for at in range(CHUNK, len(body), CHUNK):
        os.write(fd, body[at:at + CHUNK])
    os.close(fd)


def run(prog, *args):
    return subprocess.run([build + '/' + prog, '--workspace', w, *args], stdout=subprocess.PIPE, check=True).stdout


bad = torn = 0
ident = None
for i in range(tries):
    good = text(2 * i)
    write(good)
    run('snapd', '--once')
    new = text(2 * i + 1)
    pid = os.fork()
    if pid == 0:
        write(new)
        os._exit(0)
    time.sleep(rnd.random() * 0.004)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    left = os.path.getsize(backup)
    torn += left < len(head) + len(new)
    if rnd.randrange(2):
        run('snapd', '--once')      # the torn one was seen
    if ident is None:
        ident = run('recover', 'unsaved', '--all', '--json').decode().split('"id":"')[1][:8]
    got = run('recover', 'unsaved', 'cat', ident)
    if got != good and not (got == new and left == len(head) + len(new)):
        bad += 1
        print('not ok try %d: %d bytes left by the kill, %d given, %d were good' % (i, left, len(got), len(good)))
print('%s %d kills, %d of them in the middle: the last complete version is there' % ('ok' if not bad else 'not ok', tries, torn))
print('ok some were torn' if torn > tries // 20 else 'skip only %d of %d kills hit the moment of writing' % (torn, tries))
PY
stop
