// May run several times for a displayed form; only the first run has an effect.
// `this` is the form's style element.
const form = this.closest('.tidb-pe-form');
const button = event => event.target.closest('button');
const first = form && !form.tidbPeReady;
if (form) form.tidbPeReady = true;

if (first) {
  // Browsers show a script's focus like a keyboard's focus. Hide it after a mouse click.
  let byMouse = false;
  const focus = node => {
    node.classList.toggle('tidb-pe-by-mouse', byMouse);
    node.focus({preventScroll: true});
  };
  form.addEventListener('keydown', () => {
    byMouse = false;
    document.activeElement.classList.remove('tidb-pe-by-mouse');
  }, true);

  // JupyterLab handles a letter that is typed in a list, or Enter on a button, as a notebook shortcut (`m` turns the
  // cell into Markdown, `x` cuts it), and ipywidgets has no attribute to prevent it.
  form.addEventListener('focusin', event => {
    if (event.target.matches('select, button, input')) {
      event.target.setAttribute('data-lm-suppress-shortcuts', 'true');
    }
  });

  // A field sends its text when it loses the focus, and the resulting update can move a button away from the pressed
  // mouse, so that the click is lost. So move the focus on click, not on mousedown.
  form.addEventListener('mousedown', event => {
    if (button(event)) event.preventDefault();
  });
  form.addEventListener('click', event => {
    const clicked = button(event);
    if (!clicked || clicked === document.activeElement) return;
    byMouse = event.detail > 0;
    focus(clicked);
  }, true);

  // Handle a double click as one click: the second one would close what the first one opened, or hit a button that
  // has moved under the mouse.
  form.addEventListener('click', event => {
    if (event.detail > 1 && button(event)) event.stopPropagation();
  }, true);

  // Copy the command next to a Copy button; on an insecure page, copy the selection instead.
  form.addEventListener('click', async event => {
    const copy = event.target.closest('.tidb-pe-copy');
    if (!copy) return;
    const code = copy.parentElement.querySelector('code');
    const text = [...code.children].map(line => line.textContent).join('\n');
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      getSelection().selectAllChildren(code);
      document.execCommand('copy');
    }
    copy.textContent = 'Copied';
    setTimeout(() => { copy.textContent = 'Copy'; }, 1500);
  });

  // A button loses the focus when it is disabled or its step is closed. Return the focus to the button when it is
  // enabled, or to the header of the open step.
  let last = null;
  const gone = () => document.activeElement === document.body || document.activeElement === null;
  const visible = node => node.isConnected && node.offsetParent !== null;
  form.addEventListener('focusin', event => { last = event.target; });
  for (const leaves of ['focusin', 'mousedown']) {
    document.addEventListener(leaves, event => { if (!form.contains(event.target)) last = null; }, true);
  }
  new MutationObserver(() => {
    if (!last || !gone()) return;
    if (visible(last)) {
      if (!last.disabled) focus(last);
      return;
    }
    const head = [...form.querySelectorAll('.tidb-pe-head')].find(each => visible(each.nextElementSibling));
    if (head) focus(head);
  }).observe(form, {subtree: true, attributes: true, attributeFilter: ['disabled', 'style', 'class']});
}
