// Takes a picture of each page in both themes: node shots.mjs BASE_URL DIRECTORY
import { mkdirSync } from "node:fs";
import { launch } from "./browser.mjs";

const [base = "http://127.0.0.1:8080", directory = "../docs/screenshots"] = process.argv.slice(2);
mkdirSync(directory, { recursive: true });

const browser = await launch();
for (const colorScheme of ["light", "dark"]) {
  const page = await browser.newPage({ colorScheme, viewport: { width: 1280, height: 860 } });
  page.on("console", (message) => message.type() === "error" && console.error(page.url(), message.text()));
  page.on("pageerror", (error) => console.error(page.url(), error));
  const shot = async (name, path) => {
    if (path) await page.goto(base + path, { waitUntil: "load" });
    await page.waitForTimeout(400); // the first update of the page
    await page.screenshot({ path: `${directory}/${name}-${colorScheme}.png` });
  };
  await page.goto(base + "/", { waitUntil: "load" });
  await page.waitForSelector("a.open", { timeout: 120_000 }); // an incident of the demo
  await shot("alerts", "/");
  const alert = await page.locator("a.open").first().getAttribute("href").catch(() => null);
  if (alert) await shot("alert", alert);
  await shot("rules", "/rules");
  await shot("editor", "/rules/edit?match=" + encodeURIComponent("level>=ERROR"));
  await page.click("#backtest");
  await page.waitForSelector(".verdict", { timeout: 60_000 }).catch(() => {});
  await shot("editor");
  await shot("explore", "/explore?q=" + encodeURIComponent("level>=WARN"));
  await shot("history", "/history?since=1h");
  await shot("receivers", "/receivers");
  await shot("silences", "/silences?matchers=" + encodeURIComponent('team="shop"'));
  await shot("engine", "/engine");
  await page.close();
  const phone = await browser.newPage({ colorScheme, viewport: { width: 390, height: 800 }, deviceScaleFactor: 1 });
  await phone.goto(base + "/", { waitUntil: "load" });
  await phone.waitForTimeout(400);
  await phone.screenshot({ path: `${directory}/phone-${colorScheme}.png` });
  await phone.close();
}
await browser.close();
