/* A process that ends as it is told, under any name. Copied to "python3" or "code" it stands in for
 * a training or an editor. Its first argument is only there to be seen; then words, done in order:
 *
 *	sleep MS	exit CODE	raise SIGNAL	pause	nocore
 *	fork		a child does the rest; when it has ended we go on behind "end"
 *	end
 *	exec PROGRAM	with the arguments that follow
 *	title WORD	writes its command line anew, as Chromium's children do
 *	vforks MS	is mostly in state D: its child sleeps for so long, again and again
 *	calls PROGRAM	starts it as subprocess does, 20 times
 *	ready		prints the pid
 *	stamp		prints the time, in ns of CLOCK_BOOTTIME
 *	catch SIGNAL	from now on it prints the signal's number and goes on
 *	hear		waits for a line, or the end, of the standard input
 *	storm N C MS	N copies of ourselves, C at a time. Every second is `train.py`, sleeps MS
 *			and exits with its number modulo 200; the others end at once, unwatched */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void rest(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

/* The arguments that are still to be read move out of the way; the rest of the place is NULs. */
static void title(int argc, char **argv, const char *word)
{
	static char *from, *end;
	char text[4096];
	int n = snprintf(text, sizeof(text), "%s %s", argv[0], word);

	if (from == NULL) { /* once: argv points elsewhere from then on */
		from = argv[0];
		end = argv[argc - 1] + strlen(argv[argc - 1]) + 1;
		for (int i = 0; i < argc; i++)
			argv[i] = strdup(argv[i]);
	}
	memset(from, 0, (size_t)(end - from));
	memcpy(from, text, n < end - from ? (size_t)n : (size_t)(end - from));
}

static void on_signal(int signo)
{
	char text[3] = { (char)('0' + signo / 10), (char)('0' + signo % 10), '\n' };

	(void)!write(1, text, sizeof(text));
}

static void one_of_the_storm(const char *self, long i, const char *ms)
{
	char code[16];

	(void)snprintf(code, sizeof(code), "%ld", i % 200);
	if (i % 2)
		(void)execl(self, self, "train.py", "sleep", ms, "exit", code, (char *)NULL);
	else
		(void)execl(self, self, "other.py", "exit", "0", (char *)NULL);
	_exit(255);
}

static void storm(const char *self, long n, long at_once, const char *ms)
{
	long running = 0;

	for (long i = 0; i < n || running;) {
		if (i < n && running < at_once) {
			if (fork() == 0)
				one_of_the_storm(self, i, ms);
			running++;
			i++;
		} else if (wait(NULL) > 0) {
			running--;
		}
	}
}

/* The parent of a vfork waits uninterruptibly, and gets on after each. */
static void vforks(long ms)
{
	for (;;) {
		pid_t pid = vfork();

		if (pid == 0) {
			rest(ms);
			_exit(0);
		}
		(void)waitpid(pid, NULL, 0);
	}
}

static void calls(const char *program)
{
	char *argv[] = { (char *)(uintptr_t)program, (char *)(uintptr_t) "x",
		(char *)(uintptr_t) "exit", (char *)(uintptr_t) "3", NULL };

	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			(void)execv(program, argv);
			_exit(255);
		}
		(void)waitpid(pid, NULL, 0);
		rest(5);
	}
}

int main(int argc, char **argv)
{
	for (int i = 2; i < argc; i++) {
		const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(word, "sleep") == 0) {
			rest(atol(value));
		} else if (strcmp(word, "exit") == 0) {
			_exit(atoi(value));
		} else if (strcmp(word, "raise") == 0) {
			(void)signal(atoi(value), SIG_DFL);	/* a sanitizer has its own */
			(void)raise(atoi(value));
		} else if (strcmp(word, "catch") == 0) {
			(void)signal(atoi(value), on_signal);
		} else if (strcmp(word, "pause") == 0) {
			for (;;)
				(void)pause();
		} else if (strcmp(word, "vforks") == 0) {
			vforks(atol(value));
		} else if (strcmp(word, "calls") == 0) {
			calls(value);
		} else if (strcmp(word, "title") == 0) {
			title(argc, argv, value);
		} else if (strcmp(word, "nocore") == 0) {
			(void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
			continue;
		} else if (strcmp(word, "ready") == 0) {
			(void)printf("%d\n", (int)getpid());
			(void)fflush(stdout);
			continue;
		} else if (strcmp(word, "stamp") == 0) {
			struct timespec t = { 0 };

			(void)clock_gettime(CLOCK_BOOTTIME, &t);
			(void)printf("%lld\n", (long long)t.tv_sec * 1000000000 + t.tv_nsec);
			(void)fflush(stdout);
			continue;
		} else if (strcmp(word, "exec") == 0) {
			(void)execv(value, argv + i + 1);
			return 255;
		} else if (strcmp(word, "hear") == 0) {
			char c;

			while (read(0, &c, 1) > 0 && c != '\n')
				;
			continue;
		} else if (strcmp(word, "storm") == 0 && i + 3 < argc) {
			storm(argv[0], atol(value), atol(argv[i + 2]), argv[i + 3]);
			i += 3;
			continue;
		} else if (strcmp(word, "fork") == 0) {
			if (fork() == 0)
				continue;
			while (i < argc && strcmp(argv[i], "end") != 0)
				i++;
			(void)wait(NULL);
			continue;
		} else {
			continue;
		}
		i++;
	}
	return 0;
}
