#include "recover.h"

#include <stdlib.h>
#include <string.h>

#include "../config/habits.h"
#include "../lib/err.h"
#include "../lib/hint.h"
#include "../lib/log.h"
#include "xalloc.h"

static const struct opt *find_long(const struct opt *o, const char *name, size_t len)
{
	for (; o && o->id; o++)
		if (o->name && strlen(o->name) == len && !memcmp(o->name, name, len))
			return o;
	return NULL;
}

static const struct opt *find_letter(const struct opt *o, char c)
{
	for (; o && o->id; o++)
		if (o->letter == c)
			return o;
	return NULL;
}

static void no_such_option(const struct opt *opts, const char *word)
{
	const char *names[OPTS_MAX + 1], *near, *elsewhere;
	size_t n = 0;

	for (const struct opt *o = opts; o && o->id && n < OPTS_MAX; o++)
		if (o->name)
			names[n++] = o->name;
	names[n] = NULL;
	elsewhere = habit(HABIT_RECOVER, word);
	near = elsewhere ? elsewhere : hint_near(word, names);
	log_error("--%s: no such option%s%s%s%s", word, near ? ", did you mean " : "",
		near && !elsewhere ? "--" : "", near ? near : "", near ? "?" : "");
}

static int parse_long(
	const struct opt *opts, const char *word, char **argv, int argc, int *i, struct args *a)
{
	const char *eq = strchr(word, '=');
	const struct opt *o = find_long(opts, word, eq ? (size_t)(eq - word) : strlen(word));

	if (!o) {
		no_such_option(opts, word);
		return -EINVAL;
	}
	if (o->kind == OPT_FLAG && eq) {
		log_error("--%s: takes no value", o->name);
		return -EINVAL;
	}
	a->on[o->id] = true;
	a->value[o->id] = eq ? eq + 1 : NULL;
	if (o->kind != OPT_VALUE || eq)
		return 0;
	if (*i + 1 >= argc) {
		log_error("--%s: needs %s", o->name, o->arg);
		return -EINVAL;
	}
	a->value[o->id] = argv[++*i];
	return 0;
}

/* -qv, -n5, -n 5 */
static int parse_letters(
	const struct opt *opts, const char *word, char **argv, int argc, int *i, struct args *a)
{
	for (; *word; word++) {
		const struct opt *o = find_letter(opts, *word);

		if (!o) {
			log_error("-%c: no such option", *word);
			return -EINVAL;
		}
		a->on[o->id] = true;
		a->value[o->id] = NULL;
		if (o->kind == OPT_MAYBE && word[1]) {	/* -M90% */
			a->value[o->id] = word + 1;
			return 0;
		}
		if (o->kind != OPT_VALUE)
			continue;
		if (word[1]) {
			a->value[o->id] = word + 1;
			return 0;
		}
		if (*i + 1 >= argc) {
			log_error("-%c: needs %s", *word, o->arg);
			return -EINVAL;
		}
		a->value[o->id] = argv[++*i];
		return 0;
	}
	return 0;
}

int args_parse(const struct opt *opts, char **argv, int argc, bool stop_at_arg, struct args *ret)
{
	struct args a = { 0 };
	int i, r = 0;

	a.arg = xcalloc((size_t)argc + 1, sizeof(*a.arg));
	for (i = 0; i < argc && r == 0; i++) {
		const char *word = argv[i];

		if (!strcmp(word, "--")) {
			a.dashes = true;
			a.path = argv + i + 1;
			a.n_paths = argc - i - 1;
			break;
		}
		if (word[0] == '-' && word[1] == '-') {
			r = parse_long(opts, word + 2, argv, argc, &i, &a);
		} else if (word[0] == '-' && word[1]) {
			r = parse_letters(opts, word + 1, argv, argc, &i, &a);
		} else if (stop_at_arg) {
			for (; i < argc; i++)
				a.arg[a.n++] = argv[i];
		} else {
			a.arg[a.n++] = argv[i];
		}
	}
	if (r < 0) {
		args_release(&a);
		return r;
	}
	*ret = a;
	return 0;
}

void args_release(struct args *a)
{
	free(a->arg);
	a->arg = NULL;
}

int args_number(const char *what, const char *s, uint64_t max, uint64_t *ret)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(s, &end, 10);
	if (*s < '0' || *s > '9' || *end || errno || v > max) {
		log_error("%s: '%s' is not a number%s", what, s, errno || !*end ? " in range" : "");
		return -EINVAL;
	}
	*ret = v;
	return 0;
}
