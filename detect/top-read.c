/* detect/top-read.c - a tick: readings, graphs, events; see top.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "detect/detect.h"
#include "detect/events.h"
#include "detect/samples.h"
#include "detect/top.h"
#include "lib/auto.h"
#include "lib/text.h"

enum { SAMPLE_GAP_MS = 30000 }; /* the monitor writes at least each 10 s */

static uint8_t share(uint64_t part, uint64_t whole)
{
	if (part == MACHINE_NONE || whole == MACHINE_NONE || !whole)
		return TOP_NO_POINT;
	return part >= whole ? 100 : (uint8_t)((double)part / (double)whole * 100 + 0.5);
}

static uint8_t used(uint64_t left, uint64_t whole)
{
	return left == MACHINE_NONE || whole == MACHINE_NONE || left > whole
		       ? TOP_NO_POINT
		       : share(whole - left, whole);
}

static uint8_t hundredths(uint64_t v)
{
	return v == MACHINE_NONE ? TOP_NO_POINT : share(v, 10000);
}

static void put_points(struct top *t)
{
	const struct machine *m = &t->m;
	uint8_t(*p)[TOP_PAST] = t->past;
	unsigned at = t->next;

	p[TOP_MEM][at] = used(m->mem_available, m->mem_total);
	p[TOP_CG][at] = m->cg.version ? share(m->cg.used, m->cg.limit) : TOP_NO_POINT;
	p[TOP_SWAP][at] = m->swap_total ? used(m->swap_free, m->swap_total) : TOP_NO_POINT;
	p[TOP_PSI][at] = hundredths(m->mem_psi.some10);
	p[TOP_CPU][at] = hundredths(m->cpu_busy);
	p[TOP_SHM][at] = used(m->shm_free, m->shm_total);
	for (unsigned i = 0; i < GPU_MAX; i++)
		p[TOP_GPU + i][at] = i < t->gpus.n
					     ? share(t->gpus.gpu[i].used, t->gpus.gpu[i].total)
					     : TOP_NO_POINT;
	t->next = (at + 1) % TOP_PAST;
}

/* The monitor's readings before us: each point is the last one not later than its time. */
static void put_samples(struct top *t, const struct sample *s, unsigned n)
{
	uint64_t now = t->m.real_ms;
	unsigned k = 0;

	for (unsigned i = 0; i < TOP_PAST - 1; i++) {
		uint64_t when = now - (TOP_PAST - 1 - i) * t->tick_ms;

		while (k + 1 < n && s[k + 1].real_ms <= when)
			k++;
		if (s[k].real_ms > when || when - s[k].real_ms > SAMPLE_GAP_MS ||
			!sample_is_of(&s[k], t->m.total))
			continue;
		t->past[TOP_MEM][i] = used(s[k].available, s[k].total);
		t->past[TOP_SWAP][i] =
			s[k].swap_total ? used(s[k].swap_free, s[k].swap_total) : TOP_NO_POINT;
		t->past[TOP_CPU][i] =
			s[k].cpu_busy <= 10000 ? hundredths(s[k].cpu_busy) : TOP_NO_POINT;
		t->past[TOP_GPU][i] = share(s[k].gpu_used, s[k].gpu_total);
	}
	for (unsigned i = 0; i < n; i++)
		if (now - s[i].real_ms < 60000 && now - s[i].real_ms < t->m.mono_ms &&
			sample_is_of(&s[i], t->m.total) && (!i || s[i].real_ms > s[i - 1].real_ms))
			risk_note(&t->state, t->m.mono_ms - (now - s[i].real_ms), s[i].available);
}

static void read_past(struct top *t)
{
	autoclose int dir = detect_state_dir_if_any();
	uint64_t span = TOP_PAST * t->tick_ms + SAMPLE_GAP_MS, now = t->m.real_ms;
	struct sample *s = NULL;
	unsigned n = 0;

	if (dir < 0 || now < span || samples_between(dir, now - span, now, &s, &n) < 0)
		return;
	if (n)
		put_samples(t, s, n);
	free(s);
}

static int note_event(const struct journal_event *ev, void *arg)
{
	struct top *t = arg;
	autoput(buf_release) struct buf b = BUF_INIT;

	/* Helpers that went with their whole say nothing of their own. */
	if (!ev->unwanted && ev->text && strstr(ev->text, " went with process "))
		return 0;
	if (event_row(ev, TOP_EVENT, &b) < 0 || !b.len)
		return -ENOMEM;
	b.data[b.len - 1] = '\0';
	t->event[t->n_event] = buf_detach(&b, NULL);
	t->n_event += t->event[t->n_event] != NULL;
	return t->n_event == TOP_EVENTS;
}

static void forget_events(struct top *t)
{
	for (unsigned i = 0; i < t->n_event; i++)
		free(t->event[i]);
	t->n_event = 0;
}

/* When the file has changed: a look costs a stat. */
static void read_events(struct top *t)
{
	struct journal_filter f = { .limit = 4 * TOP_EVENTS };
	autoclose int dir = detect_state_dir_if_any();
	struct journal *j;
	struct stat st;
	int64_t ns;

	if (dir < 0 || fstatat(dir, DETECT_JOURNAL, &st, 0) < 0)
		return;
	ns = text_ns(&st.st_mtim);
	if (ns == t->journal_ns || journal_open(dir, false, &j) < 0)
		return;
	forget_events(t);
	(void)journal_each(j, &f, note_event, t);
	journal_close(j);
	t->journal_ns = ns;
}

int top_open(struct top *t, const struct roots *roots, const struct detect_settings *set,
	uint64_t tick_ms)
{
	memset(t, 0, sizeof(*t));
	memset(t->past, TOP_NO_POINT, sizeof(t->past));
	t->roots = roots;
	t->set = set;
	t->tick_ms = tick_ms;
	t->journal_ns = -1;
	return machine_open(roots, &t->reader);
}

void top_close(struct top *t)
{
	if (t->reader)
		machine_close(t->reader);
	survey_release(&t->survey);
	forget_events(t);
	free(t->of);
	free(t->item);
	memset(t, 0, sizeof(*t));
}

void top_read(struct top *t)
{
	struct survey s = { 0 };

	t->trouble = NULL;
	if (machine_read(t->reader, &t->m) < 0) {
		t->trouble = "the memory's figures cannot be read";
		return;
	}
	t->m.real_ms = (uint64_t)text_now_ns() / 1000000;
	(void)gpu_read(&t->gpus);
	t->in = (struct risk_input){ .m = &t->m,
		.gpus = &t->gpus,
		.editor_bytes = MACHINE_NONE,
		.training_bytes = MACHINE_NONE,
		.disk = t->disk,
		.n_disk = machine_disk(".", t->disk) == 0 && t->disk[0].total ? 1 : 0 };
	/* Resident pages: walking page tables for the shared ones takes locks that others wait for.
	 * */
	if (survey_take(t->roots, &t->set->patterns, 0, &s) == 0) {
		survey_release(&t->survey);
		t->survey = s;
		survey_gpus(&t->survey, &t->gpus);
		t->in.editor_bytes = survey_sum(&t->survey, KIND_EDITOR);
		t->in.training_bytes = survey_sum(&t->survey, KIND_TRAINING);
	} else {
		t->trouble = "the processes cannot be read";
	}
	if (!t->read)
		read_past(t);
	if (!t->read)
		t->next = TOP_PAST - 1;
	t->read = true;
	risk_judge(&t->set->limits, &t->in, &t->state, &t->verdict);
	put_points(t);
	top_tree(t);
	read_events(t);
}
