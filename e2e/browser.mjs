// Starts the browser that the system has, with nothing that would talk to the network.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const names = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export function launch() {
  const executablePath = names.find((name) => name && existsSync(name));
  if (!executablePath) throw new Error("no Chromium is installed; name one in CHROMIUM");
  return chromium.launch({
    executablePath,
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}
