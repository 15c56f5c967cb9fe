/* The kernel wakes the guard when tasks begin to wait for memory (Documentation/accounting/psi.rst,
 * "Monitoring for pressure thresholds"; to ordinary users since Linux 6.5, with windows of two
 * seconds). The readings come as often as the memory that is left allows it to vanish; a crawl, where
 * pages are moved with memory left, is seen sooner so. At rest it costs nothing: no wake-up without
 * pressure, and then one a window. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "detect/monitor.h"
#include "lib/auto.h"
#include "lib/log.h"

static const char threshold[] = "some 150000 2000000"; /* us: of the window, the window */

/* Where the window may be shorter (CAP_SYS_RESOURCE) it need not be. */
static int arm(const char *path)
{
	autoclose int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return -errno;
	if (write(fd, threshold, sizeof(threshold)) < 0)
		return -errno;
	return take_fd(&fd);
}

static void on_pressure(struct loop *l, int fd, uint32_t events, void *arg)
{
	struct monitor *m = arg;

	(void)l;
	/* Its group is gone, or the kernel has let go of it. */
	if (events & (EPOLLERR | EPOLLHUP)) {
		loop_del_fd(m->loop, fd);
		return;
	}
	log_debug("the kernel tells of pressure");
	m->n_pressed++;
	monitor_hurry(m);
}

static int listen_to(struct monitor *m, const char *path, int *ret_fd)
{
	int fd = arm(path), r;

	if (fd < 0)
		return fd;
	r = loop_add_fd(m->loop, fd, EPOLLPRI, on_pressure, m);
	if (r < 0)
		(void)close(fd);
	else
		*ret_fd = fd;
	return r;
}

/* The machine's, and that of the group whose limit counts: it may be short where the machine is not. */
void pressure_open(struct monitor *m)
{
	char path[MACHINE_CG_PATH + 256];
	int r;

	m->pressure_fd[0] = m->pressure_fd[1] = -1;
	if (!m->hands)
		return;
	(void)snprintf(path, sizeof(path), "%s/pressure/memory", m->roots->proc);
	r = listen_to(m, path, &m->pressure_fd[0]);
	if (r < 0)
		log_debug("%s: no trigger: %s", path, strerror(-r));
	if (m->now.cg.version != 2)
		return;
	(void)snprintf(
		path, sizeof(path), "%s%s/memory.pressure", m->roots->cgroup, m->now.cg.path);
	(void)listen_to(m, path, &m->pressure_fd[1]);
}

void pressure_close(struct monitor *m)
{
	for (unsigned i = 0; i < 2; i++)
		if (m->pressure_fd[i] >= 0) {
			loop_del_fd(m->loop, m->pressure_fd[i]);
			auto_close_(&m->pressure_fd[i]);
			m->pressure_fd[i] = -1;
		}
}
