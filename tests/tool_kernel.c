/* Runs a command as on an older kernel: calls that came later fail as they do there (seccomp(2)).
 *
 * tool_kernel 6.14|5.2 COMMAND...	6.14: no PIDFD_GET_INFO. 5.2: no pidfd_open, openat2, clone3,
 * process_mrelease either. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448
#endif

#define FAILS(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((error) & SECCOMP_RET_DATA))
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
/* Is it so: the next statement; else the one behind that. */
#define IF(value) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, 1)

static int install(const struct sock_filter *f, size_t n)
{
	struct sock_fprog prog = { .len = (unsigned short)n, .filter = (struct sock_filter *)(uintptr_t)f };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

int main(int argc, char **argv)
{
	/* _IOWR(0xFF, 11, struct pidfd_info), of any size: PIDFD_GET_INFO */
	static const struct sock_filter info[] = {
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 4),
		LOAD(args[1]),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xffff),
		IF(0xff0b),
		FAILS(ENOTTY),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	static const struct sock_filter older[] = {
		LOAD(nr),
		IF(SYS_pidfd_open), FAILS(ENOSYS),
		IF(SYS_openat2), FAILS(ENOSYS),
		IF(SYS_clone3), FAILS(ENOSYS),
		IF(SYS_process_mrelease), FAILS(ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	if (argc < 3 || (strcmp(argv[1], "6.14") != 0 && strcmp(argv[1], "5.2") != 0)) {
		(void)fprintf(stderr, "usage: tool_kernel 6.14|5.2 COMMAND...\n");
		return 2;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || install(info, sizeof(info) / sizeof(*info)) < 0 ||
		(*argv[1] == '5' && install(older, sizeof(older) / sizeof(*older)) < 0)) {
		perror("tool_kernel");
		return 77;
	}
	(void)execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
