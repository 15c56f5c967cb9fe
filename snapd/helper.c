#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* name, beside us */
static int find(const char *name, char path[PATH_MAX])
{
	ssize_t k = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	if (k < 0)
		return -errno;
	path[k] = '\0';
	slash = strrchr(path, '/');
	slash = slash ? slash + 1 : path;
	if (strlen(name) >= (size_t)(path + PATH_MAX - slash))
		return -ENAMETOOLONG;
	(void)strcpy(slash, name);
	return 0;
}

static int spawn(char *const argv[], pid_t *ret)
{
	char path[PATH_MAX];
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r = find(argv[0], path);

	if (r < 0)
		return r;
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	if (posix_spawnattr_init(&attr) || posix_spawn_file_actions_init(&files))
		return -ENOMEM;
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &all);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
	(void)posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDWR, 0);
	(void)posix_spawn_file_actions_adddup2(&files, 0, 1);
	r = -posix_spawn(ret, path, &files, &attr, argv, environ);
	(void)posix_spawn_file_actions_destroy(&files);
	(void)posix_spawnattr_destroy(&attr);
	return r;
}

int helper_start(struct loop *l, struct helper *h, char *const argv[], loop_fd_fn fn, void *arg)
{
	int r = spawn(argv, &h->pid);

	if (r < 0) {
		h->pid = 0;
		return r;
	}
	h->fd = (int)syscall(SYS_pidfd_open, h->pid, 0);
	r = h->fd < 0 ? -errno : loop_add_fd(l, h->fd, EPOLLIN, fn, arg);
	if (r == 0)
		return 0;
	/* Nobody would tell us of its end. */
	(void)kill(h->pid, SIGKILL);
	(void)waitpid(h->pid, NULL, 0);
	if (h->fd >= 0)
		(void)close(h->fd);
	*h = (struct helper){ 0 };
	return r;
}

int helper_ended(struct loop *l, struct helper *h, int *ret_status)
{
	if (waitpid(h->pid, ret_status, WNOHANG) == 0)
		return -EAGAIN;
	loop_del_fd(l, h->fd);
	(void)close(h->fd);
	*h = (struct helper){ 0 };
	return 0;
}

static void on_left(struct loop *l, int fd, uint32_t events, void *arg)
{
	(void)events;
	if (waitpid((pid_t)(intptr_t)arg, NULL, WNOHANG) == 0)
		return;
	loop_del_fd(l, fd);
	(void)close(fd);
}

/* The loop may go on, for other workspaces: then what is left of it is taken away when it ends. */
void helper_leave(struct loop *l, struct helper *h)
{
	if (!h->pid)
		return;
	loop_del_fd(l, h->fd);
	(void)kill(h->pid, SIGTERM);
	if (loop_add_fd(l, h->fd, EPOLLIN, on_left, (void *)(intptr_t)h->pid) < 0)
		(void)close(h->fd);
	*h = (struct helper){ 0 };
}
