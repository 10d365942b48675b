// SPDX-License-Identifier: GPL-2.0-or-later
/* machine.c - reads a machine file and gives its keys their meaning. */
#include "machine.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct setting {
	char *section, *key, *value;
	char *place; /* file:line, or the --set that gave it */
	bool used;
};

struct machine {
	char *path;
	struct setting *settings;
	size_t count;
	char **sections, **section_places;
	size_t nr_sections;
};

static bool fail(char *err, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static bool fail(char *err, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, size, fmt, ap);
	va_end(ap);
	return false;
}

bool machine_parse_size(const char *text, uint64_t *value)
{
	char *end;
	unsigned shift = 0;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*value = strtoull(text, &end, text[0] == '0' && tolower((unsigned char)text[1]) == 'x' ? 16 : 10);
	if (*end == 'K')
		shift = 10;
	else if (*end == 'M')
		shift = 20;
	else if (*end == 'G')
		shift = 30;
	if (shift)
		end++;
	if (errno || *end || *value > UINT64_MAX >> shift)
		return false;
	*value <<= shift;
	return true;
}

bool machine_parse_bool(const char *text, bool *value)
{
	*value = !strcmp(text, "yes");
	return *value || !strcmp(text, "no");
}

static char *trim(char *s)
{
	size_t n;

	while (isspace((unsigned char)*s))
		s++;
	for (n = strlen(s); n && isspace((unsigned char)s[n - 1]); n--)
		s[n - 1] = '\0';
	return s;
}

/* A copy with each ${NAME} replaced from the environment; NULL with the missing name in err. */
static char *expand(const char *text, const char *place, char *err, size_t err_size)
{
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	while (*text) {
		const char *end = text[0] == '$' && text[1] == '{' ? strchr(text, '}') : NULL;
		if (!end) {
			fputc(*text++, f);
			continue;
		}
		char *name = strndup(text + 2, end - text - 2);
		const char *value = getenv(name);
		if (!value) {
			fail(err, err_size, "%s: the environment variable %s is not set", place, name);
			free(name);
			fclose(f);
			free(out);
			return NULL;
		}
		fputs(value, f);
		free(name);
		text = end + 1;
	}
	fclose(f);
	return out;
}

static struct setting *find(struct machine *m, const char *section, const char *key)
{
	for (size_t i = 0; i < m->count; i++)
		if (!strcmp(m->settings[i].section, section) && !strcmp(m->settings[i].key, key))
			return &m->settings[i];
	return NULL;
}

static bool known_section(const char *name)
{
	return !strcmp(name, "machine") || !strcmp(name, "dart") || !strcmp(name, "dext") || !strcmp(name, "faults") ||
	       !strncmp(name, "enclosure ", 10) || !strncmp(name, "function ", 9);
}

static bool have_section(const struct machine *m, const char *name)
{
	for (size_t i = 0; i < m->nr_sections; i++)
		if (!strcmp(m->sections[i], name))
			return true;
	return false;
}

static void add_section(struct machine *m, const char *name, const char *place)
{
	m->sections = realloc(m->sections, (m->nr_sections + 1) * sizeof(char *));
	m->section_places = realloc(m->section_places, (m->nr_sections + 1) * sizeof(char *));
	m->sections[m->nr_sections] = strdup(name);
	m->section_places[m->nr_sections++] = strdup(place);
}

static void add_setting(struct machine *m, const char *section, const char *key, const char *value, const char *place)
{
	m->settings = realloc(m->settings, (m->count + 1) * sizeof(*m->settings));
	m->settings[m->count++] = (struct setting){
		.section = strdup(section), .key = strdup(key), .value = strdup(value), .place = strdup(place)};
}

static bool parse_line(struct machine *m, char *line, char **section, const char *place, char *err, size_t err_size)
{
	char *eq;

	line = trim(line);
	if (!*line || *line == '#' || *line == ';')
		return true;
	if (*line == '[') {
		size_t n = strlen(line);
		if (line[n - 1] != ']')
			return fail(err, err_size, "%s: a section header ends in ]", place);
		line[n - 1] = '\0';
		line = trim(line + 1);
		if (!known_section(line))
			return fail(err, err_size,
				    "%s: no section [%s]; there are machine, dart, dext, faults, enclosure NAME and "
				    "function BDF",
				    place, line);
		if (have_section(m, line))
			return fail(err, err_size, "%s: section [%s] appears twice", place, line);
		add_section(m, line, place);
		*section = m->sections[m->nr_sections - 1];
		return true;
	}
	eq = strchr(line, '=');
	if (!eq)
		return fail(err, err_size, "%s: a line is [section], key=value or a # comment", place);
	*eq = '\0';
	char *key = trim(line), *value = trim(eq + 1);
	if (!*section)
		return fail(err, err_size, "%s: key '%s' stands before any [section]", place, key);
	if (find(m, *section, key))
		return fail(err, err_size, "%s: key '%s' appears twice in [%s]", place, key, *section);
	add_setting(m, *section, key, value, place);
	return true;
}

struct machine *machine_load(const char *path, char *err, size_t err_size)
{
	struct machine *m = calloc(1, sizeof(*m));
	FILE *f = fopen(path, "re");
	char *line = NULL, *section = NULL, place[512];
	size_t room = 0;
	bool ok = f != NULL;

	m->path = strdup(path);
	if (!f)
		fail(err, err_size, "%s: the machine file cannot be read: %s", path, strerror(errno));
	for (int n = 1; ok && getline(&line, &room, f) >= 0; n++) {
		snprintf(place, sizeof(place), "%s:%d", path, n);
		ok = parse_line(m, line, &section, place, err, err_size);
	}
	free(line);
	if (f)
		fclose(f);
	if (ok)
		return m;
	machine_free(m);
	return NULL;
}

bool machine_set(struct machine *m, const char *assignment, char *err, size_t err_size)
{
	char *copy = strdup(assignment), *eq = strchr(copy, '='), *dot = NULL, place[512], section[64];
	bool ok = false;

	if (eq) {
		*eq = '\0';
		dot = strrchr(copy, '.');
		/* "03:00.0.flr": the function's own dot is not the last one. */
		if (dot)
			*dot = '\0';
	}
	if (!eq || !dot || !*trim(copy) || !*trim(dot + 1)) {
		fail(err, err_size, "--set %s: expected SECTION.KEY=VALUE", assignment);
		goto out;
	}
	/* A bare BDF names its function's section. */
	snprintf(section, sizeof(section), "%s%s",
		 strchr(copy, ':') && strncmp(copy, "function ", 9) ? "function " : "", trim(copy));
	snprintf(place, sizeof(place), "--set %s", assignment);
	if (!known_section(section)) {
		fail(err, err_size, "%s: no section [%s]", place, section);
		goto out;
	}
	if (!have_section(m, section))
		add_section(m, section, place);
	struct setting *s = find(m, section, trim(dot + 1));
	if (s) {
		free(s->value);
		free(s->place);
		s->value = strdup(trim(eq + 1));
		s->place = strdup(place);
	} else {
		add_setting(m, section, trim(dot + 1), trim(eq + 1), place);
	}
	ok = true;
out:
	free(copy);
	return ok;
}

const char *machine_value(struct machine *m, const char *section, const char *key)
{
	struct setting *s = find(m, section, key);

	if (!s)
		return NULL;
	s->used = true;
	return s->value;
}

const char *machine_place(struct machine *m, const char *section, const char *key)
{
	struct setting *s = find(m, section, key);

	return s ? s->place : m->path;
}

static bool get_size(struct machine *m, const char *section, const char *key, uint64_t *value, char *err,
		     size_t err_size)
{
	const char *text = machine_value(m, section, key);

	if (!text || machine_parse_size(text, value))
		return true;
	return fail(err, err_size, "%s: %s=%s is not a number (decimal or 0x, with K, M or G)",
		    machine_place(m, section, key), key, text);
}

static bool get_bool(struct machine *m, const char *section, const char *key, bool *value, char *err, size_t err_size)
{
	const char *text = machine_value(m, section, key);

	if (!text || machine_parse_bool(text, value))
		return true;
	return fail(err, err_size, "%s: %s=%s must be yes or no", machine_place(m, section, key), key, text);
}

/* names: separated by '|'; *value becomes the position. */
static bool get_choice(struct machine *m, const char *section, const char *key, const char *names, unsigned *value,
		       char *err, size_t err_size)
{
	const char *text = machine_value(m, section, key), *at = names;
	size_t n = text ? strlen(text) : 0;

	if (!text)
		return true;
	for (unsigned i = 0; at; i++) {
		if (!strncmp(at, text, n) && (at[n] == '|' || !at[n])) {
			*value = i;
			return true;
		}
		at = strchr(at, '|');
		at = at ? at + 1 : NULL;
	}
	return fail(err, err_size, "%s: %s=%s must be one of %s", machine_place(m, section, key), key, text, names);
}

static bool configure_dart(struct machine *m, struct dart_config *d, char *err, size_t err_size)
{
	unsigned policy = 0, exhaustion = DART_FULL_ERROR, direction = 0;
	struct dart trial;
	char why[256];

	/* Window of an Apple Silicon PCIe DART as reported by several people (notes, section 3.4). */
	*d = (struct dart_config){.base = 0x80000000, .size = 1536ull << 20, .page = 16384, .max_mappings = 65536};
	if (!get_size(m, "dart", "base", &d->base, err, err_size) ||
	    !get_size(m, "dart", "size", &d->size, err, err_size) ||
	    !get_size(m, "dart", "page", &d->page, err, err_size) ||
	    !get_size(m, "dart", "mappings", &d->max_mappings, err, err_size) ||
	    !get_size(m, "dart", "seed", &d->seed, err, err_size) ||
	    !get_size(m, "dart", "reuse_delay", &d->reuse_delay, err, err_size) ||
	    /* In the order of dart_policies[]. */
	    !get_choice(m, "dart", "policy", "first-fit|buddy|random|next-fit|best-fit|last-fit", &policy, err,
			err_size) ||
	    !get_choice(m, "dart", "exhaustion", "error|block|panic", &exhaustion, err, err_size) ||
	    !get_choice(m, "dart", "direction", "ignore|enforce", &direction, err, err_size))
		return false;
	d->policy = dart_policies[policy];
	d->exhaustion = (enum dart_exhaustion)exhaustion;
	d->enforce_direction = direction;
	if (!dart_init(&trial, d, why, sizeof(why)))
		return fail(err, err_size, "%s: %s", machine_place(m, "dart", "size"), why);
	dart_destroy(&trial);
	return true;
}

static bool parse_bdf(const char *text, struct function_config *f)
{
	unsigned bus, device, function;
	int n = 0;

	if (strlen(text) != 7 || sscanf(text, "%2x:%2x.%1x%n", &bus, &device, &function, &n) != 3 || n != 7 ||
	    device > 31 || function > 7)
		return false;
	f->bus = bus;
	f->device = device;
	f->function = function;
	snprintf(f->bdf, sizeof(f->bdf), "%02x:%02x.%x", bus & 0xff, device & 31, function & 7);
	return true;
}

/* The link as trained may be less than what both ends offer, never more. */
static bool configure_link(struct machine *m, const char *section, struct link_config *link, char *err, size_t err_size)
{
	uint64_t speed_max = 3, width_max = 4, speed, width;

	if (!get_size(m, section, "link_speed_max", &speed_max, err, err_size) ||
	    !get_size(m, section, "link_width_max", &width_max, err, err_size))
		return false;
	speed = speed_max;
	width = width_max;
	if (!get_size(m, section, "link_speed", &speed, err, err_size) ||
	    !get_size(m, section, "link_width", &width, err, err_size))
		return false;
	if (speed > speed_max || speed_max > 15)
		return fail(err, err_size, "%s: link_speed is at most link_speed_max, and that at most 15",
			    machine_place(m, section, "link_speed"));
	if (width > width_max || width_max > 63)
		return fail(err, err_size, "%s: link_width is at most link_width_max, and that at most 63",
			    machine_place(m, section, "link_width"));
	*link = (struct link_config){speed, width, speed_max, width_max};
	return true;
}

/* An ID in place of the model's. */
static bool get_id(struct machine *m, const char *section, const char *key, uint64_t most, int64_t *id, char *err,
		   size_t err_size)
{
	uint64_t value = 0;

	*id = -1;
	if (!get_size(m, section, key, &value, err, err_size))
		return false;
	if (value > most)
		return fail(err, err_size, "%s: %s is at most 0x%llx", machine_place(m, section, key), key,
			    (unsigned long long)most);
	if (machine_value(m, section, key))
		*id = (int64_t)value;
	return true;
}

static bool configure_bars(struct machine *m, const char *section, struct function_config *f, char *err,
			   size_t err_size)
{
	static const char modes[] = "mapped|trapped|unassigned";
	unsigned mode = BAR_MAPPED;

	if (!get_choice(m, section, "bars", modes, &mode, err, err_size))
		return false;
	for (int i = 0; i < MACHINE_BARS; i++) {
		unsigned own = mode;
		char key[8];
		snprintf(key, sizeof(key), "bar%d", i);
		if (!get_choice(m, section, key, modes, &own, err, err_size))
			return false;
		f->bars[i] = (enum bar_mode)own;
	}
	return true;
}

static bool configure_function(struct machine *m, const char *section, const char *place, struct function_config *f,
			       char *err, size_t err_size)
{
	uint64_t vectors = 0, irq_limit = 0;
	unsigned built_in = 0;

	*f = (struct function_config){.flr = true, .msi = true};
	snprintf(f->section, sizeof(f->section), "%s", section);
	if (strlen(section) >= sizeof(f->section) || !parse_bdf(section + 9, f))
		return fail(err, err_size, "%s: '%s' is not a PCI address such as 03:00.0", place, section + 9);
	f->model = machine_value(m, section, "model");
	if (!f->model)
		return fail(err, err_size, "%s: function %s has no model=", place, f->bdf);
	if (!get_bool(m, section, "flr", &f->flr, err, err_size) ||
	    !get_bool(m, section, "msi", &f->msi, err, err_size) ||
	    !get_size(m, section, "vectors", &vectors, err, err_size) ||
	    !get_size(m, section, "irq_limit", &irq_limit, err, err_size) ||
	    !get_choice(m, section, "location", "thunderbolt|built-in", &built_in, err, err_size) ||
	    !get_id(m, section, "vendor_id", 0xffff, &f->vendor_id, err, err_size) ||
	    !get_id(m, section, "device_id", 0xffff, &f->device_id, err, err_size) ||
	    !get_id(m, section, "class_code", 0xffffff, &f->class_code, err, err_size) ||
	    !configure_link(m, section, &f->link, err, err_size) || !configure_bars(m, section, f, err, err_size))
		return false;
	f->built_in = built_in;
	f->dart = machine_value(m, section, "dart");
	f->driver = machine_value(m, section, "driver");
	if (!f->driver)
		f->driver = "dext";
	if (vectors > 2048)
		return fail(err, err_size, "%s: vectors=%llu is more than the 2048 MSI-X knows",
			    machine_place(m, section, "vectors"), (unsigned long long)vectors);
	f->vectors = vectors;
	f->irq_limit = irq_limit > 2048 ? 2048 : irq_limit;
	return true;
}

static const char *value_or(struct machine *m, const char *section, const char *key, const char *otherwise)
{
	const char *value = machine_value(m, section, key);

	return value ? value : otherwise;
}

static bool configure_mac(struct machine *m, struct machine_config *c, char *err, size_t err_size)
{
	unsigned processor = 0;

	c->page = 16384;
	c->entitled = true;
	c->memory = 16ull << 30;
	c->macos = value_or(m, "machine", "macos", "15.5");
	c->hw_model = value_or(m, "machine", "model", "Mac16,1");
	if (!get_size(m, "machine", "page", &c->page, err, err_size) ||
	    !get_bool(m, "machine", "entitled", &c->entitled, err, err_size) ||
	    !get_size(m, "machine", "memory", &c->memory, err, err_size) ||
	    !get_choice(m, "machine", "processor", "apple|intel", &processor, err, err_size) ||
	    !get_bool(m, "machine", "rosetta", &c->rosetta, err, err_size))
		return false;
	c->intel = processor;
	if (c->page != 4096 && c->page != 16384)
		return fail(err, err_size, "%s: page=%s must be 4K or 16K", machine_place(m, "machine", "page"),
			    machine_value(m, "machine", "page"));
	return true;
}

static bool configure_dext(struct machine *m, struct machine_config *c, char *err, size_t err_size)
{
	unsigned state = EXTENSION_ENABLED;

	c->dext_path = machine_value(m, "dext", "path");
	c->dext_class = value_or(m, "dext", "class", "VFIOUserPCIDriver");
	c->dext_bundle = value_or(m, "dext", "bundle", "org.vfio-apple.VFIOUserPCIDriver");
	c->dext_version = value_or(m, "dext", "version", "1.0/1");
	c->dext_old_version = machine_value(m, "dext", "old_version");
	if (!get_choice(m, "dext", "state", "enabled|waiting|disabled|uninstalled|none", &state, err, err_size))
		return false;
	c->dext_state = (enum extension_state)state;
	return true;
}

static bool configure_enclosure(struct machine *m, const char *section, struct enclosure_config *e, char *err,
				size_t err_size)
{
	unsigned generation = 1;

	e->vendor = value_or(m, section, "vendor", "");
	e->model = value_or(m, section, "model", section + strlen("enclosure "));
	if (!get_choice(m, section, "thunderbolt", "3|4|5", &generation, err, err_size))
		return false;
	e->thunderbolt = generation + 3;
	return true;
}

static bool configure_enclosures(struct machine *m, struct machine_config *c, char *err, size_t err_size)
{
	for (size_t i = 0; i < m->nr_sections; i++) {
		if (strncmp(m->sections[i], "enclosure ", 10))
			continue;
		if (c->nr_enclosures == MACHINE_ENCLOSURES_MAX)
			return fail(err, err_size, "%s: more than %d enclosures", m->section_places[i],
				    MACHINE_ENCLOSURES_MAX);
		if (!configure_enclosure(m, m->sections[i], &c->enclosures[c->nr_enclosures++], err, err_size))
			return false;
	}
	return true;
}

bool machine_configure(struct machine *m, struct machine_config *c, char *err, size_t err_size)
{
	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < m->count; i++) {
		char *value = expand(m->settings[i].value, m->settings[i].place, err, err_size);
		if (!value)
			return false;
		free(m->settings[i].value);
		m->settings[i].value = value;
	}
	if (!configure_mac(m, c, err, err_size) || !configure_dart(m, &c->dart, err, err_size) ||
	    !configure_dext(m, c, err, err_size) || !configure_enclosures(m, c, err, err_size))
		return false;
	for (size_t i = 0; i < m->nr_sections; i++) {
		if (strncmp(m->sections[i], "function ", 9))
			continue;
		if (c->nr_functions == MACHINE_FUNCTIONS_MAX)
			return fail(err, err_size, "%s: more than %d functions", m->section_places[i],
				    MACHINE_FUNCTIONS_MAX);
		struct function_config *f = &c->functions[c->nr_functions];
		if (!configure_function(m, m->sections[i], m->section_places[i], f, err, err_size))
			return false;
		for (unsigned k = 0; k < c->nr_functions; k++)
			if (!strcmp(c->functions[k].bdf, f->bdf))
				return fail(err, err_size, "%s: function %s appears twice", m->section_places[i],
					    f->bdf);
		c->nr_functions++;
	}
	if (!c->nr_functions)
		return fail(err, err_size, "%s: no [function BDF] section, so there is no PCI device", m->path);
	return true;
}

bool machine_all_used(struct machine *m, char *err, size_t err_size)
{
	for (size_t i = 0; i < m->count; i++)
		if (!m->settings[i].used)
			return fail(err, err_size, "%s: [%s] has no key '%s'", m->settings[i].place,
				    m->settings[i].section, m->settings[i].key);
	return true;
}

void machine_free(struct machine *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->count; i++) {
		free(m->settings[i].section);
		free(m->settings[i].key);
		free(m->settings[i].value);
		free(m->settings[i].place);
	}
	for (size_t i = 0; i < m->nr_sections; i++) {
		free(m->sections[i]);
		free(m->section_places[i]);
	}
	free(m->settings);
	free(m->sections);
	free(m->section_places);
	free(m->path);
	free(m);
}
