// Says that scripts run, before anything is drawn. It is a file of its own because the policy of the pages allows no script inside them.
document.body.className += " js-enabled" + ("noModule" in HTMLScriptElement.prototype ? " govuk-frontend-supported" : "");
