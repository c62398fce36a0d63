/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* samples.mjs FOLDER [PICTURES [PART]]: look at the pages that preview_tool drew into FOLDER, on a
 * phone of 320 px and on a projector of 1280 px, in light and dark. With PICTURES, keep pictures of
 * them there instead of testing; PART picks by name. */
import { readdirSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { serve, open, complaints, looks, tap } from './browser.mjs';

const [folder, pictures, part = ''] = process.argv.slice(2);
const languages = ['ca', 'es', 'en'];
const names = readdirSync(join(folder, 'en')).map((f) => f.replace('.html', ''))
	.filter((n) => n.includes(part)).sort();
const server = await serve(folder);
const { browser, close } = await open();

async function look([kind, width, height, scheme], shift, use) {
	const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme });
	const page = await context.newPage();
	const refused = [];
	page.on('console', (m) => { if (m.type() === 'error') refused.push(`the browser says: ${m.text()}`); });
	for (const [i, name] of names.entries()) {
		refused.length = 0;
		await page.goto(`${server.url}/${languages[(i + shift) % 3]}/${name}.html`);
		await use(page, `${name}.${kind}`, refused);
	}
	await context.close();
}

const kinds = [['phone-light', 320, 568, 'light'], ['wide-dark', 1280, 800, 'dark'],
	['phone-dark', 320, 568, 'dark'], ['wide-light', 1280, 800, 'light']];
if (pictures) {
	mkdirSync(pictures, { recursive: true });
	for (const [i, k] of kinds.entries())
		await look(k, i, (page, name) => page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true }));
} else {
	/* Each page in both widths, both schemes and two of the languages; the second time what can look otherwise. */
	const t = tap();
	for (const [i, k] of kinds.slice(0, 2).entries())
		await look(k, i, async (page, name, refused) => t.test(name, [...await complaints(page, i ? looks : undefined), ...refused]));
	t.end();
}
await close();
server.close();
