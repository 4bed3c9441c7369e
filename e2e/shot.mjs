// Takes a picture of one page: node shot.mjs URL FILE [WIDTH] [dark] [wait]
import { launch } from "./browser.mjs";
const [url, file, width = "1280", scheme = "light", wait = "600"] = process.argv.slice(2);
const browser = await launch();
const page = await browser.newPage({ colorScheme: scheme, viewport: { width: +width, height: +width < 600 ? 800 : 900 } });
page.on("console", (m) => m.type() === "error" && console.error(m.text()));
page.on("pageerror", (e) => console.error(e));
await page.goto(url, { waitUntil: "load" });
await page.waitForTimeout(+wait);
await page.screenshot({ path: file, fullPage: process.argv[7] === "full" });
await browser.close();
