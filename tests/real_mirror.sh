#!/bin/sh
# The mirror over real transports: git's own HTTP server program behind a password, with a credential helper; a real sshd with a
# key in an agent. What is refused says so and never waits for somebody to type.
. "$(dirname "$0")/recover/lib.sh"
git --version >/dev/null 2>&1 || { echo 'skip no git'; exit 77; }
export HOLDFAST_CONFIG="$d/config" HOLDFAST_STATE="$d/state" XDG_CACHE_HOME="$d/cache" TZ=UTC
export GIT_CONFIG_GLOBAL="$d/gitconfig" GIT_CONFIG_NOSYSTEM=1
: >"$GIT_CONFIG_GLOBAL"
pids=
trap 'for p in $pids; do kill "$p" 2>/dev/null; done; chmod -R u+rwx "$d" 2>/dev/null; rm -rf "$d"' EXIT
config() { printf '[prune]\n\tgrace = 0\n[mirror]\n\turl = %s\n\tevery = 1s\n' "$1" >"$HOLDFAST_CONFIG"; }
wait_for() { i=0; until "$@" 2>/dev/null || [ $i = 600 ]; do sleep 0.1; i=$((i + 1)); done; [ $i -lt 600 ]; }
config nowhere
mkdir -p "$w/src" "$d/srv" "$d/else"
echo one >"$w/src/a"; echo x >"$w/.env"; snap first manual 1700000000 >/dev/null
echo two >"$w/src/a"; snap second interval 1700000600 >/dev/null

# all NAME URL REPOSITORY: push, look, list, diff, restore.
all()
{
	config "$2"
	gives 0 "$1: push" recover mirror </dev/null
	gives 0 "$1: it is whole there" git -C "$3" fsck --full --strict
	check "$1: both are there" test "$(git -C "$3" log --format=%s "$(git -C "$3" for-each-ref --format='%(refname)' refs/holdfast)" | wc -l)" = 2
	gives 0 "$1: list" "$bin/recover" --workspace "$d/else" --from "$2" list </dev/null
	check "$1: ... both" test "$(wc -l <"$d/out")" = 2
	gives 0 "$1: diff" "$bin/recover" --workspace "$d/else" --from "$2" diff @~1 @ </dev/null
	says "$1: ... what changed" "$d/out" '^+two'
	gives 0 "$1: restore" "$bin/recover" --workspace "$d/else" --from "$2" restore @~1 --to "$d/got-$1" --yes </dev/null
	check "$1: ... the old one" test "$(cat "$d/got-$1/src/a")" = one
	check "$1: no secret" test ! -e "$d/got-$1/.env"
}

# ---- HTTP
cat >"$d/server.py" <<'PY'
import base64, http.server, os, subprocess, sys, urllib.parse
root, where = sys.argv[1:]
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a):
        pass
    def answer(self):
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        if self.headers.get("Transfer-Encoding") == "chunked":
            while True:
                n = int(self.rfile.readline().strip() or b"0", 16)
                body += self.rfile.read(n)
                self.rfile.readline()
                if not n:
                    break
        if self.headers.get("Authorization") != "Basic " + base64.b64encode(b"me:open sesame").decode():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        u = urllib.parse.urlsplit(self.path)
        env = dict(os.environ, GIT_PROJECT_ROOT=root, GIT_HTTP_EXPORT_ALL="1", PATH_INFO=urllib.parse.unquote(u.path), QUERY_STRING=u.query,
                   REQUEST_METHOD=self.command, CONTENT_TYPE=self.headers.get("Content-Type", ""), REMOTE_USER="me",
                   CONTENT_LENGTH=str(len(body)), HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""),
                   GIT_PROTOCOL=self.headers.get("Git-Protocol", ""))
        out = subprocess.run(["git", "http-backend"], input=body, env=env, stdout=subprocess.PIPE).stdout
        head, _, rest = out.partition(b"\r\n\r\n")
        lines = [li.split(b": ", 1) for li in head.split(b"\r\n") if b": " in li]
        status = next((v for k, v in lines if k.lower() == b"status"), b"200 OK")
        self.send_response(int(status.split()[0]))
        for k, v in lines:
            if k.lower() != b"status":
                self.send_header(k.decode(), v.decode())
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest)
    do_GET = do_POST = answer
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(where + ".new", "w") as f:
    f.write(str(s.server_port))
os.rename(where + ".new", where)
s.serve_forever()
PY
if [ -x "$(git --exec-path)/git-http-backend" ] && [ -x "$(git --exec-path)/git-remote-http" ]; then
	git init -q --bare "$d/srv/web.git"
	git -C "$d/srv/web.git" config http.receivepack true
	python3 -B "$d/server.py" "$d/srv" "$d/port" 2>"$d/server.log" & pids="$pids $!"
	wait_for test -e "$d/port" || not_ok 'the server'
	url=http://127.0.0.1:$(cat "$d/port")/web.git
	config "$url"
	gives 4 'http: without a password it is refused' recover mirror </dev/null
	says "... and says so" "$d/err" "nothing is lost"
	git config --file "$GIT_CONFIG_GLOBAL" credential.helper "store --file $d/passwords"
	printf 'http://me:wrong@127.0.0.1:%s\n' "$(cat "$d/port")" >"$d/passwords"
	gives 4 'http: with a wrong one, too' recover mirror </dev/null
	check '... and the password is told nowhere' sh -c '! grep -rq wrong "$1" "$2"' - "$d/err" "$s/mirror"
	printf 'http://me:open%%20sesame@127.0.0.1:%s\n' "$(cat "$d/port")" >"$d/passwords"
	all http "$url" "$d/srv/web.git"
else
	echo 'skip git http-backend is not installed'
fi

# ---- ssh
if [ -x /usr/sbin/sshd ] && command -v ssh-agent >/dev/null && [ "$(id -u)" = 0 ]; then
	mkdir -p "$d/ssh" /run/sshd
	ssh-keygen -q -t ed25519 -N '' -f "$d/ssh/host" && ssh-keygen -q -t ed25519 -N '' -f "$d/ssh/mine"
	cp "$d/ssh/mine.pub" "$d/ssh/allowed"
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	printf 'ListenAddress 127.0.0.1\nPort %s\nHostKey %s\nAuthorizedKeysFile %s\nStrictModes no\nPasswordAuthentication no\nPidFile none\nPermitRootLogin yes\nUsePAM no\n' \
		"$port" "$d/ssh/host" "$d/ssh/allowed" >"$d/ssh/config"
	/usr/sbin/sshd -D -e -f "$d/ssh/config" 2>"$d/ssh/log" & pids="$pids $!"
	printf '[127.0.0.1]:%s %s\n' "$port" "$(cut -d' ' -f1,2 "$d/ssh/host.pub")" >"$d/ssh/known"
	git init -q --bare "$d/srv/shell.git"
	url=ssh://root@127.0.0.1:$port$d/srv/shell.git
	GIT_SSH_COMMAND="ssh -F none -o UserKnownHostsFile=$d/ssh/known -o IdentityFile=none"; export GIT_SSH_COMMAND
	config "$url"
	gives 4 'ssh: without a key it is refused' recover mirror </dev/null
	says "... and says so" "$d/err" "nothing is lost"
	eval "$(ssh-agent -s)" >/dev/null; pids="$pids $SSH_AGENT_PID"
	mv "$d/ssh/mine" "$d/ssh/key"; ssh-add -q "$d/ssh/key" 2>/dev/null; rm "$d/ssh/key"	# the agent alone has it
	all ssh "$url" "$d/srv/shell.git"
	: >"$d/ssh/known"
	GIT_SSH_COMMAND="$GIT_SSH_COMMAND -o StrictHostKeyChecking=yes"
	echo three >"$w/src/a"; snap third interval 1700001200 >/dev/null
	gives 4 'ssh: a host that is not known is not trusted' recover mirror </dev/null
else
	echo 'skip sshd: not installed, or not root'
fi
exit $bad
