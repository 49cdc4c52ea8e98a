// A driver that lacks everything but its version: what a broken installation may look like.
int cuDriverGetVersion(int *version) {
  *version = 12040;
  return 0;
}
