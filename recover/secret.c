#include "secret.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

#include "../scan/wildmatch.h"

static const char *const builtin[] = {
	".env", ".env.*", "*.env", ".envrc", ".netrc", "_netrc", ".pgpass", ".my.cnf", ".htpasswd", ".npmrc", ".pypirc",
	".git-credentials", ".dockercfg", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.pem", "*.key", "*.pfx", "*.p12",
	"*.jks", "*.keystore", "*.kdbx", "*.ppk", "*.asc", "*.gpg", "credentials", "credentials.json", "client_secret*.json",
	"service-account*.json", "service_account*.json", "kaggle.json", "*.tfstate", "secrets.*", ".secrets*", "*_token",
	"token.json", "*.ovpn", ".ssh", ".gnupg", ".aws", ".kube",
};

/* What is named so on purpose: nothing is in it. */
static const char *const harmless[] = {
	".env.example", ".env.sample", ".env.template", ".env.dist", "*.pub.pem", "id_rsa.pub", "id_dsa.pub", "id_ecdsa.pub",
	"id_ed25519.pub", "secrets.py",
};

static bool matches(const char *pattern, const char *name, size_t len)
{
	return wild_match(pattern, strlen(pattern), name, len, true);
}

static bool in_list(const struct config_list *l, const char *name, size_t len)
{
	for (size_t i = 0; i < l->n; i++)
		if (matches(l->item[i], name, len))
			return true;
	return false;
}

bool secret_name(const struct config *cfg, const char *name, size_t len)
{
	char low[NAME_MAX + 1];

	if (in_list(&cfg->mirror_allow, name, len))
		return false;
	if (in_list(&cfg->mirror_secret, name, len))
		return true;
	if (len > NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		low[i] = (char)tolower((unsigned char)name[i]);
	for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++)
		if (matches(harmless[i], low, len))
			return false;
	for (size_t i = 0; i < sizeof(builtin) / sizeof(*builtin); i++)
		if (matches(builtin[i], low, len))
			return true;
	return false;
}
