/* detect/gpu-driver.c - is there a driver to ask? Apart from the asking, which loads a library; see gpu.h. */
#include <stdlib.h>
#include <unistd.h>

#include "detect/gpu.h"

bool gpu_driver_is_there(void)
{
	static const char *const signs[] = { "/proc/driver/nvidia", "/dev/nvidiactl",
		"/dev/dxg" }; /* the last: WSL */
	const char *path = getenv("HOLDFAST_NVML");
	bool any = path && *path;

	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs) && !any; i++)
		any = access(signs[i], F_OK) == 0;
	return any;
}
