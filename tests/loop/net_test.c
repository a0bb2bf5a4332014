#include "hooks.h"
const struct test net_tests[] = {{NULL, NULL}};
