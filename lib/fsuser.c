#include "fsuser.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel takes the powers over files away with the fsuid (capabilities(7)), not the permission
 * to have them. */
int fsuser_act_for(uid_t uid, gid_t gid)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct cap[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (geteuid() != 0 || uid == 0)
		return 0;
	if (syscall(SYS_capget, &head, cap) < 0)
		return -errno;
	(void)setfsgid(gid);
	(void)setfsuid(uid);
	/* They answer with the value before, and one that is none changes nothing. */
	if ((uid_t)setfsuid((uid_t)-1) == uid && (gid_t)setfsgid((gid_t)-1) == gid &&
		syscall(SYS_capset, &head, cap) == 0)
		return 0;
	fsuser_act_as_self();
	return -EPERM;
}

void fsuser_act_as_self(void)
{
	(void)setfsuid(geteuid());
	(void)setfsgid(getegid());
}
